"""Checks of OneDrives and libraries by Microsoft's Python SDK; `check.py` runs them."""

import base64
import io

from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph.generated.drives.item.items.item.create_link.create_link_post_request_body import (
    CreateLinkPostRequestBody,
)
from msgraph.generated.drives.item.items.item.create_upload_session.create_upload_session_post_request_body import (
    CreateUploadSessionPostRequestBody,
)
from msgraph.generated.drives.item.items.item.delta.delta_request_builder import DeltaRequestBuilder
from msgraph.generated.drives.item.items.item.invite.invite_post_request_body import (
    InvitePostRequestBody,
)
from msgraph.generated.models.drive_item import DriveItem
from msgraph.generated.models.drive_item_uploadable_properties import DriveItemUploadableProperties
from msgraph.generated.models.drive_recipient import DriveRecipient
from msgraph.generated.models.folder import Folder
from msgraph_core.tasks.large_file_upload import LargeFileUploadTask

# Pieces of an upload are multiples of this.
PIECE = 320 * 1024


def quick_xor(content):
    """The hash by its definition: each byte by exclusive or, 11 bits further than the one before."""
    value, mask = 0, (1 << 160) - 1
    for index, byte in enumerate(content):
        at = index * 11 % 160
        value ^= (byte << at | byte << at >> 160) & mask
    value ^= len(content) << 96
    return value.to_bytes(20, "little")


async def list_sites_and_drives(graph, state, pages):
    sites, _, _ = await pages(graph.sites.get_all_sites, await graph.sites.get_all_sites.get())
    team = [site for site in sites if not site.is_personal_site]
    assert team and len(sites) > len(team), sites
    libraries = await graph.sites.by_site_id(team[0].id).drives.get()
    assert "Documents" in [drive.name for drive in libraries.value], libraries.value
    assert all(drive.drive_type == "documentLibrary" for drive in libraries.value)
    drive = await state["user"].drive.get()
    assert drive.drive_type == "business" and drive.quota.total > drive.quota.used > 0
    state["drive"] = graph.drives.by_drive_id(drive.id)
    root = await state["drive"].root.get()
    state["root"] = state["drive"].items.by_drive_item_id(root.id)


async def follow_a_drive(graph, state, pages):
    builder = state["root"].delta
    parameters = DeltaRequestBuilder.DeltaRequestBuilderGetQueryParameters(top=5)
    first = await builder.get(RequestConfiguration(query_parameters=parameters))
    items, count, last = await pages(builder, first)
    assert count > 2, f"{count} pages"
    # The last occurrence of an item counts.
    items = {item.id: item for item in items}.values()
    assert len(items) > 12 and sum(1 for item in items if item.root) == 1
    state["files"] = [item for item in items if item.file and item.size]
    folder = DriveItem(name="Aus dem SDK", folder=Folder())
    made = await state["root"].children.post(folder)
    changes, _, last = await pages(builder, await builder.with_url(last.odata_delta_link).get())
    assert made.id in [change.id for change in changes], changes
    await state["drive"].items.by_drive_item_id(made.id).delete()
    changes, _, last = await pages(builder, await builder.with_url(last.odata_delta_link).get())
    assert [change.id for change in changes if change.deleted] == [made.id], changes


async def download_files(graph, state, pages):
    for file in sorted(state["files"], key=lambda file: file.size)[:8]:
        content = await state["drive"].items.by_drive_item_id(file.id).content.get()
        assert len(content) == file.size, file.name
        expected = base64.b64encode(quick_xor(content)).decode()
        assert file.file.hashes.quick_xor_hash == expected, file.name


async def upload_a_small_file(graph, state, pages):
    root = await state["root"].get()
    place = state["drive"].items.by_drive_item_id(f"{root.id}:/klein.txt:")
    made = await place.content.put(b"first")
    assert made.name == "klein.txt" and made.size == 5, made
    item = state["drive"].items.by_drive_item_id(made.id)
    await item.content.put(b"second")
    assert await item.content.get() == b"second"
    state["small"] = item


async def upload_a_large_file(graph, state, pages):
    content = bytes(range(256)) * (5 * PIECE // 512)
    properties = DriveItemUploadableProperties(
        additional_data={"@microsoft.graph.conflictBehavior": "replace"}
    )
    root = await state["root"].get()
    place = state["drive"].items.by_drive_item_id(f"{root.id}:/groß.bin:")
    body = CreateUploadSessionPostRequestBody(item=properties)
    session = await place.create_upload_session.post(body)
    task = LargeFileUploadTask(
        session, graph.request_adapter, io.BytesIO(content), DriveItem, max_chunk_size=PIECE
    )
    # Piece by piece: `upload()` of this release sends the last one twice, which SharePoint refuses
    # (msgraph-sdk-python-core, issue 718, open in 2026-11).
    for start in range(0, len(content), PIECE):
        end = min(start + PIECE, len(content))
        task.next_range = f"{start}-{end - 1}"
        answer = await task.next_chunk(task.stream)
        ranges = answer.next_expected_ranges or []
        assert [one.split("-")[0] for one in ranges] == ([str(end)] if end < len(content) else [])
    made = await place.get()
    assert made.size == len(content), made.size
    item = state["drive"].items.by_drive_item_id(made.id)
    assert await item.content.get() == content
    await item.delete()


async def read_versions(graph, state, pages):
    versions = await state["small"].versions.get()
    assert [version.size for version in versions.value] == [6, 5], versions.value
    old = state["small"].versions.by_drive_item_version_id(versions.value[1].id)
    assert await old.content.get() == b"first"
    await old.restore_version.post()
    assert await state["small"].content.get() == b"first"


async def share_a_file(graph, state, pages):
    users = await graph.users.get()
    body = InvitePostRequestBody(
        recipients=[DriveRecipient(email=users.value[1].user_principal_name)],
        roles=["read"],
        require_sign_in=True,
        send_invitation=False,
    )
    invited = await state["small"].invite.post(body)
    assert invited.value[0].roles == ["read"], invited.value
    link = await state["small"].create_link.post(
        CreateLinkPostRequestBody(type="view", scope="organization")
    )
    assert link.link.web_url.startswith("https://") and link.link.scope == "organization"
    permissions = await state["small"].permissions.get()
    ids = {permission.id for permission in permissions.value}
    assert {invited.value[0].id, link.id} <= ids, ids
    await state["small"].permissions.by_permission_id(link.id).delete()
    permissions = await state["small"].permissions.get()
    assert link.id not in {permission.id for permission in permissions.value}
    await state["small"].delete()


CHECKS = [
    list_sites_and_drives,
    follow_a_drive,
    download_files,
    upload_a_small_file,
    upload_a_large_file,
    read_versions,
    share_a_file,
]
