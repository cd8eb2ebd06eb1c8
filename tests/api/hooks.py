"""Who asks, and about what: found by schemathesis through SCHEMATHESIS_HOOKS."""

import os
import zlib

import requests
import schemathesis

ORIGIN = os.environ["HOLDFAST_ORIGIN"]
CERTIFICATE = os.environ["HOLDFAST_CERTIFICATE"]
COOKIE = "__Host-holdfast"


def ask(method, path, **options):
    return requests.request(method, f"{ORIGIN}/api/v1{path}", verify=CERTIFICATE, **options)


class Session:
    """A session of the administrator, made anew when it has ended."""

    def __init__(self):
        self.headers = None

    def alive(self):
        return self.headers and ask("get", "/session", headers=self.headers).ok

    def get(self):
        if not self.alive():
            body = {"name": os.environ["HOLDFAST_NAME"], "password": os.environ["HOLDFAST_PASSWORD"]}
            answer = ask("post", "/session", json=body)
            if answer.status_code == 429:
                # Guesses have shut him out: he goes on with what he had, or as nobody.
                return self.headers or {}
            answer.raise_for_status()
            cookie = f"{COOKIE}={answer.cookies[COOKIE]}"
            self.headers = {"cookie": cookie, "x-holdfast-csrf": answer.json()["csrf"]}
        return self.headers


SESSION = Session()


@schemathesis.auth(cache_by_key=None, refresh_interval=None)
class Signed:
    def get(self, case, context):
        return SESSION.get()

    def set(self, case, data, context):
        case.headers = {**(case.headers or {}), **data}


class There:
    """What is there, so that not every request is about nothing."""

    def __init__(self):
        self.names = None

    def get(self, name):
        if self.names is None:
            entries = lambda path: ask("get", path, headers=SESSION.get()).json()["entries"]
            resource = next(r for r in entries("/resources") if r["workload"] == "exchange")
            items = entries(f"/resources/{requests.utils.quote(resource['id'], safe='')}/items")
            self.names = {
                "tenant": "contoso",
                "vault": "default",
                "resource": resource["id"],
                "path": items[0]["path"] if items else "",
            }
        return self.names.get(name)


THERE = There()


def half(text):
    """True for a half of all texts."""
    return zlib.crc32(str(text).encode()) % 2 == 1


def known(context, name):
    """What there is under a name of a parameter or a field."""
    if name == "name":
        path = context.operation.path
        return {"/api/v1/tenants/{name}": "contoso", "/api/v1/tenants/{name}/test": "contoso"}.get(path)
    return THERE.get(name)


def with_what_is_there(context, values):
    """Half of the names become those of something that is there; which half depends on the names."""
    if not isinstance(values, dict):
        return values
    for name, value in list(values.items()):
        there = known(context, name)
        if there is not None and isinstance(value, str) and half(value):
            values[name] = there
    return values


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    return with_what_is_there(context, path_parameters)


# Restore points: of any text hardly one is a time or an id.
POINTS = ["at", "from", "to"]


@schemathesis.hook
def map_query(context, query):
    if isinstance(query, dict):
        for name in POINTS:
            if half(query.get(name)):
                query.pop(name, None)
    return with_what_is_there(context, query)


# A location is a place on the machine that runs this: vaults are made in this folder only.
FOLDER = os.environ["HOLDFAST_FOLDER"]


def placed(location):
    """A place of the tests' own for half of the locations, and for each that is a whole path."""
    if isinstance(location, str) and (half(location) or location.startswith("/")):
        return f"{FOLDER}/vault-{zlib.crc32(location.encode())}"
    return location


@schemathesis.hook
def map_body(context, body):
    if isinstance(body, dict):
        if "location" in body:
            body["location"] = placed(body["location"])
        for name in POINTS:
            if half(body.get(name)):
                body.pop(name, None)
    return with_what_is_there(context, body)
