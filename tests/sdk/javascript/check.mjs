// Microsoft's JavaScript client, unmodified, against the simulated tenant.
//
// Reads the line that `sim serve` prints from the file named by SIM_INFO. Points the client at
// the tenant with its public settings only; the certificate comes by NODE_EXTRA_CA_CERTS.
// Prints one line per check, and ends with status 1 if one failed.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import { ClientSecretCredential } from "@azure/identity";
import { Client, GraphError, PageIterator, ResponseType } from "@microsoft/microsoft-graph-client";
import auth from "@microsoft/microsoft-graph-client/authProviders/azureTokenCredentials/index.js";

import { checks } from "./drives.mjs";

const info = JSON.parse(readFileSync(process.env.SIM_INFO, "utf8").split("\n")[0]);
const base = info.graph_url.replace(/\/+$/, "").replace(/\/v1\.0$/, "");
const credential = new ClientSecretCredential(
  info.tenant_id,
  info.client_id,
  info.client_secret,
  { authorityHost: info.authority_url, disableInstanceDiscovery: true },
);
const authProvider = new auth.TokenCredentialAuthenticationProvider(credential, {
  scopes: ["https://graph.microsoft.com/.default"],
});
const graph = Client.initWithMiddleware({
  authProvider,
  baseUrl: base,
  customHosts: new Set([new URL(base).hostname]),
});

/** All values of a collection, the number of its pages, and the delta link at its end. */
async function pages(first) {
  const values = [...first.value];
  let page = first;
  let count = 1;
  while (page["@odata.nextLink"]) {
    page = await graph.api(page["@odata.nextLink"]).get();
    values.push(...page.value);
    count += 1;
  }
  return { values, count, delta: page["@odata.deltaLink"] };
}

const state = {};

async function list_users() {
  const { values, count } = await pages(await graph.api("/users").top(2).get());
  assert.ok(count > 1 && values.length >= 3, `${values.length} users on ${count} pages`);
  assert.ok(values.every((user) => user.userPrincipalName && user.displayName));
  state.user = `/users/${values[0].id}`;
}

async function page_a_folder() {
  const inbox = `${state.user}/mailFolders/inbox`;
  const folder = await graph.api(inbox).get();
  const ids = new Set();
  const first = await graph.api(`${inbox}/messages`).select("subject,internetMessageId").top(7).get();
  const iterator = new PageIterator(graph, first, (message) => Boolean(ids.add(message.id)));
  await iterator.iterate();
  assert.equal(ids.size, folder.totalItemCount);
  assert.ok(ids.size > 7, "one page only");
  Object.assign(state, { inbox, count: ids.size, messages: first.value });
}

async function read_mime() {
  let compared = 0;
  for (const message of state.messages.filter((one) => one.internetMessageId)) {
    const url = `${state.user}/messages/${message.id}/$value`;
    const bytes = await graph.api(url).responseType(ResponseType.ARRAYBUFFER).get();
    const text = Buffer.from(bytes).toString("latin1");
    assert.ok(text.includes(message.internetMessageId), `${text.slice(0, 200)}`);
    compared += 1;
  }
  assert.ok(compared >= 3, `${compared} compared`);
}

async function create_a_message() {
  const created = await graph.api(`${state.inbox}/messages`).post({
    subject: "Grüße aus dem SDK",
    body: { contentType: "html", content: "<p>Hallo &amp; bye</p>" },
    toRecipients: [{ emailAddress: { name: "Ada", address: "ada@x.example" } }],
    attachments: [
      {
        "@odata.type": "#microsoft.graph.fileAttachment",
        name: "a.txt",
        contentType: "text/plain",
        contentBytes: Buffer.from("attached").toString("base64"),
      },
    ],
  });
  const url = `${state.user}/messages/${created.id}`;
  const back = await graph.api(url).expand("attachments").get();
  assert.equal(back.subject, "Grüße aus dem SDK");
  assert.equal(back.isDraft, true);
  assert.match(back.body.content, /Hallo &amp; bye/);
  assert.equal(Buffer.from(back.attachments[0].contentBytes, "base64").toString(), "attached");
  state.created = created.id;
}

async function follow_a_delta() {
  const request = graph.api(`${state.inbox}/messages/delta`).header("Prefer", "odata.maxpagesize=9");
  const first = await pages(await request.get());
  assert.ok(first.count > 1, "one page only");
  assert.equal(new Set(first.values.map((one) => one.id)).size, state.count);
  await create_a_message();
  const added = await pages(await graph.api(first.delta).get());
  assert.deepEqual(added.values.map((one) => one.id), [state.created]);
  await graph.api(`${state.user}/messages/${state.created}`).delete();
  const removed = await pages(await graph.api(added.delta).get());
  assert.deepEqual(removed.values.map((one) => [one.id, one["@removed"]?.reason]), [
    [state.created, "deleted"],
  ]);
}

async function understand_an_error() {
  const error = await graph.api(`${state.user}/messages/AAMkNothing`).get().catch((caught) => caught);
  assert.ok(error instanceof GraphError);
  assert.equal(error.statusCode, 404);
  assert.ok(error.code && error.requestId);
}

let failed = 0;
for (const check of [
  list_users,
  page_a_folder,
  read_mime,
  follow_a_delta,
  create_a_message,
  understand_an_error,
  ...checks(graph, pages, state),
]) {
  try {
    await check();
    console.log(`ok      javascript  ${check.name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  javascript  ${check.name}: ${error}`);
  }
}
process.exit(failed ? 1 : 0);
