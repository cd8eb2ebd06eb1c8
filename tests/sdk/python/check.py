"""Microsoft's Python SDK, unmodified, against the simulated tenant.

Reads the line that `sim serve` prints from the file named by SIM_INFO. Points the SDK at the
tenant with its public settings only; certificates come by SSL_CERT_FILE and REQUESTS_CA_BUNDLE.
Prints one line per check, and ends with status 1 if one failed.
"""

import asyncio
import email
import email.policy
import json
import os
import sys
import urllib.parse

import drives
from azure.identity import ClientSecretCredential
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_authentication_azure.azure_identity_authentication_provider import (
    AzureIdentityAuthenticationProvider,
)
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.models.body_type import BodyType
from msgraph.generated.models.email_address import EmailAddress
from msgraph.generated.models.file_attachment import FileAttachment
from msgraph.generated.models.item_body import ItemBody
from msgraph.generated.models.message import Message
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.recipient import Recipient
from msgraph.generated.users.item.mail_folders.item.messages.messages_request_builder import (
    MessagesRequestBuilder,
)
from msgraph.generated.users.users_request_builder import UsersRequestBuilder


def client(info):
    authority, graph = info["authority_url"], info["graph_url"]
    host = urllib.parse.urlsplit(graph).hostname
    credential = ClientSecretCredential(
        info["tenant_id"],
        info["client_id"],
        info["client_secret"],
        authority=authority,
        disable_instance_discovery=True,
    )
    provider = AzureIdentityAuthenticationProvider(
        credential, scopes=["https://graph.microsoft.com/.default"], allowed_hosts=[host]
    )
    adapter = GraphRequestAdapter(provider)
    adapter.base_url = graph.rstrip("/") if graph.rstrip("/").endswith("/v1.0") else graph.rstrip("/") + "/v1.0"
    return GraphServiceClient(request_adapter=adapter)


async def pages(builder, first):
    """All values of a collection, its pages and the last page."""
    values, count, page = list(first.value), 1, first
    while page.odata_next_link:
        page = await builder.with_url(page.odata_next_link).get()
        values += page.value
        count += 1
    return values, count, page


async def list_users(graph, state):
    parameters = UsersRequestBuilder.UsersRequestBuilderGetQueryParameters(top=2)
    first = await graph.users.get(RequestConfiguration(query_parameters=parameters))
    users, count, _ = await pages(graph.users, first)
    assert count > 1, "one page only"
    assert len({user.id for user in users}) == len(users) >= 3, users
    assert all(user.user_principal_name and user.display_name for user in users)
    state["user"] = graph.users.by_user_id(users[0].id)


async def page_a_folder(graph, state):
    inbox = state["user"].mail_folders.by_mail_folder_id("inbox")
    folder = await inbox.get()
    parameters = MessagesRequestBuilder.MessagesRequestBuilderGetQueryParameters(top=7)
    first = await inbox.messages.get(RequestConfiguration(query_parameters=parameters))
    messages, count, _ = await pages(inbox.messages, first)
    assert count > 1, "one page only"
    assert len({message.id for message in messages}) == folder.total_item_count, len(messages)
    assert all(message.received_date_time for message in messages)
    state["inbox"], state["messages"] = inbox, messages


async def read_mime(graph, state):
    compared = 0
    for message in state["messages"]:
        if not message.internet_message_id or not message.subject:
            continue
        content = await state["user"].messages.by_message_id(message.id).content.get()
        parsed = email.message_from_bytes(content, policy=email.policy.default)
        assert parsed["Message-ID"].strip() == message.internet_message_id
        compared += 1
        if compared == 10:
            break
    assert compared == 10, compared


async def create_a_message(graph, state):
    message = Message(
        subject="Grüße aus dem SDK",
        body=ItemBody(content_type=BodyType.Html, content="<p>Hallo &amp; bye</p>"),
        to_recipients=[Recipient(email_address=EmailAddress(name="Ada", address="ada@x.example"))],
        attachments=[
            FileAttachment(
                odata_type="#microsoft.graph.fileAttachment",
                name="a.bin",
                content_type="application/octet-stream",
                content_bytes=bytes(range(256)),
            )
        ],
    )
    created = await state["inbox"].messages.post(message)
    one = state["user"].messages.by_message_id(created.id)
    back = await one.get()
    assert back.subject == message.subject and back.is_draft
    assert "Hallo &amp; bye" in back.body.content
    assert back.to_recipients[0].email_address.address == "ada@x.example"
    attachments = await one.attachments.get()
    assert attachments.value[0].content_bytes == bytes(range(256))
    content = await one.content.get()
    assert email.message_from_bytes(content, policy=email.policy.default)["Subject"] == message.subject
    state["created"] = created.id


async def follow_a_delta(graph, state):
    builder = state["inbox"].messages.delta
    configuration = RequestConfiguration()
    configuration.headers.add("Prefer", "odata.maxpagesize=9")
    messages, count, last = await pages(builder, await builder.get(configuration))
    assert count > 1, "one page only"
    assert len({message.id for message in messages}) == len(state["messages"])
    await create_a_message(graph, state)
    changes, _, last = await pages(builder, await builder.with_url(last.odata_delta_link).get())
    assert [change.id for change in changes] == [state["created"]], changes
    await state["user"].messages.by_message_id(state["created"]).delete()
    changes, _, last = await pages(builder, await builder.with_url(last.odata_delta_link).get())
    assert [change.id for change in changes] == [state["created"]], changes
    assert "@removed" in changes[0].additional_data, changes[0]


async def understand_an_error(graph, state):
    try:
        await state["user"].messages.by_message_id("AAMkNothing").get()
    except ODataError as error:
        assert error.response_status_code == 404 and error.error.code, error
    else:
        raise AssertionError("no error")


def with_pages(check):
    """A check of drives as one of those here."""

    async def run(graph, state):
        await check(graph, state, pages)

    run.__name__ = check.__name__
    return run


async def main():
    with open(os.environ["SIM_INFO"], encoding="utf-8") as file:
        info = json.loads(file.readline())
    graph, state, failed = client(info), {}, 0
    checks = [
        list_users, page_a_folder, read_mime, follow_a_delta, create_a_message, understand_an_error,
    ]
    checks += [with_pages(check) for check in drives.CHECKS]
    for check in checks:
        try:
            await check(graph, state)
            print(f"ok      python      {check.__name__}")
        except Exception as error:  # noqa: BLE001: one failed check must not hide the others
            failed += 1
            print(f"FAILED  python      {check.__name__}: {type(error).__name__}: {error}")
    return failed


if __name__ == "__main__":
    sys.exit(1 if asyncio.run(main()) else 0)
