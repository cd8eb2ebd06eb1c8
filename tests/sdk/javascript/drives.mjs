// Checks of OneDrives and libraries by Microsoft's JavaScript client; `check.mjs` runs them.

import assert from "node:assert/strict";

import { OneDriveLargeFileUploadTask, ResponseType } from "@microsoft/microsoft-graph-client";

/** Pieces of an upload are multiples of this. */
const PIECE = 320 * 1024;

/** The checks for a client, with the function that follows pages and what was found so far. */
export function checks(graph, pages, state) {
  const content = async (url) =>
    Buffer.from(await graph.api(url).responseType(ResponseType.ARRAYBUFFER).get());

  async function list_sites_and_drives() {
    const { values } = await pages(await graph.api("/sites/getAllSites").get());
    const team = values.filter((site) => !site.isPersonalSite);
    assert.ok(team.length > 0 && values.length > team.length, `${values.length} sites`);
    const libraries = await graph.api(`/sites/${team[0].id}/drives`).get();
    assert.ok(libraries.value.some((drive) => drive.name === "Documents"));
    const drive = await graph.api(`${state.user}/drive`).get();
    assert.equal(drive.driveType, "business");
    assert.ok(drive.quota.used > 0 && drive.quota.total > drive.quota.used);
    state.drive = `/drives/${drive.id}`;
  }

  async function follow_a_drive() {
    const first = await pages(await graph.api(`${state.drive}/root/delta`).top(5).get());
    assert.ok(first.count > 2, `${first.count} pages`);
    // The last occurrence of an item counts.
    const items = [...new Map(first.values.map((item) => [item.id, item])).values()];
    assert.equal(items.filter((item) => item.root).length, 1);
    state.files = items.filter((item) => item.file && item.size > 0);
    assert.ok(state.files.length >= 10, `${state.files.length} files`);
    const folder = { name: "Aus dem SDK", folder: {} };
    const made = await graph.api(`${state.drive}/root/children`).post(folder);
    const added = await pages(await graph.api(first.delta).get());
    assert.ok(added.values.some((item) => item.id === made.id));
    await graph.api(`${state.drive}/items/${made.id}`).delete();
    const removed = await pages(await graph.api(added.delta).get());
    const gone = removed.values.filter((item) => item.deleted).map((item) => item.id);
    assert.deepEqual(gone, [made.id]);
  }

  async function download_files() {
    for (const file of state.files.slice(0, 8)) {
      const bytes = await content(`${state.drive}/items/${file.id}/content`);
      assert.equal(bytes.length, file.size, file.name);
    }
  }

  async function upload_a_small_file() {
    const url = `${state.drive}/root:/klein.txt:/content`;
    const made = await graph.api(url).put(Buffer.from("first"));
    assert.equal(made.size, 5);
    state.small = `${state.drive}/items/${made.id}`;
    await graph.api(`${state.small}/content`).put(Buffer.from("second"));
    assert.equal((await content(`${state.small}/content`)).toString(), "second");
  }

  async function upload_a_large_file() {
    const bytes = new Uint8Array(PIECE * 2.5).map((_, index) => (index * 31) % 251);
    const task = await OneDriveLargeFileUploadTask.create(graph, bytes, {
      fileName: "groß.bin",
      conflictBehavior: "replace",
      rangeSize: PIECE,
      uploadSessionURL: `${state.drive}/root:/${encodeURIComponent("groß.bin")}:/createUploadSession`,
    });
    const { responseBody } = await task.upload();
    assert.equal(responseBody.size, bytes.length);
    const item = `${state.drive}/items/${responseBody.id}`;
    assert.ok((await content(`${item}/content`)).equals(Buffer.from(bytes)));
    await graph.api(item).delete();
  }

  async function read_versions() {
    const versions = (await graph.api(`${state.small}/versions`).get()).value;
    assert.deepEqual(versions.map((version) => version.size), [6, 5]);
    const old = `${state.small}/versions/${versions[1].id}`;
    assert.equal((await content(`${old}/content`)).toString(), "first");
    await graph.api(`${old}/restoreVersion`).post({});
    assert.equal((await content(`${state.small}/content`)).toString(), "first");
  }

  async function share_a_file() {
    const users = (await graph.api("/users").get()).value;
    const invited = await graph.api(`${state.small}/invite`).post({
      recipients: [{ email: users[1].userPrincipalName }],
      roles: ["read"],
      requireSignIn: true,
      sendInvitation: false,
    });
    const link = await graph
      .api(`${state.small}/createLink`)
      .post({ type: "view", scope: "organization" });
    assert.equal(link.link.scope, "organization");
    const ids = async () =>
      (await graph.api(`${state.small}/permissions`).get()).value.map((one) => one.id);
    const before = await ids();
    assert.ok(before.includes(invited.value[0].id) && before.includes(link.id));
    await graph.api(`${state.small}/permissions/${link.id}`).delete();
    assert.ok(!(await ids()).includes(link.id));
    await graph.api(state.small).delete();
  }

  return [
    list_sites_and_drives,
    follow_a_drive,
    download_files,
    upload_a_small_file,
    upload_a_large_file,
    read_versions,
    share_a_file,
  ];
}
