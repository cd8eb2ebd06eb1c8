"""Starts a server over a simulated tenant, and lets schemathesis ask it everything it documents.

    check.py BINARY DOCUMENT

First as an administrator who signs in once; then what ends sessions or changes one's own sign-in,
for which `hooks.py` signs in again whenever it has to; last what guesses at passwords and codes.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import requests

HERE = Path(__file__).resolve().parent
NAME = "root"
PASSWORD = "violin harbour tundra 7 moss"
SEED = "5"

# What ends the session that the other requests use, or changes how its user signs in.
OWN = r"^/api/v1/session"

# What guesses at passwords and codes: it comes last, for then nobody signs in for a while.
GUESSES = r"^/api/v1/session/(second-factor|step-up|password)"
GUESS = "POST /api/v1/session"

# The answer never ends: it is a stream. Its content is tested in crates/server/tests/it/api/events.rs.
STREAM = "/api/v1/events"

# Not what the document promises: which names, passwords, times and handles are good is said in words
# and answered with 400.
WITHOUT = "positive_data_acceptance"


class Site:
    """A home with a vault, connected to a simulated tenant, and a server over it."""

    def __init__(self, binary, work):
        self.binary, self.work, self.running = binary, Path(work), []
        self.environment = os.environ | {
            "HOLDFAST_HOME": str(self.work / "home"),
            "HOLDFAST_INSTANCE_KEY": str(self.work / "instance.key"),
            "TMPDIR": str(work),
        }

    def secret(self, name, text):
        path = self.work / name
        path.touch(mode=0o600)
        path.write_text(text)
        return str(path)

    def run(self, *arguments):
        done = subprocess.run(
            [self.binary, *arguments], env=self.environment, capture_output=True, text=True
        )
        if done.returncode != 0:
            sys.exit(f"holdfast {arguments[0]} failed: {done.stderr}")

    def start(self, *arguments):
        """Starts a process and reads what it says first."""
        log = open(self.work / f"{arguments[0]}.log", "w")
        process = subprocess.Popen(
            [self.binary, *arguments],
            env=self.environment, stdout=subprocess.PIPE, stderr=log, text=True,
        )
        self.running.append(process)
        text = ""
        while line := process.stdout.readline():
            text += line
            try:
                return json.loads(text)
            except ValueError:
                continue
        sys.exit(f"holdfast {arguments[0]} did not start: {Path(log.name).read_text()}")

    def make(self):
        info = self.start(
            "sim", "serve", "--users", "2", "--mails-per-user", "8", "--files", "2", "--sites", "0",
            "--seed", "7",
        )
        self.run("init", "--passphrase-file", self.secret("passphrase", "a passphrase for tests\n"))
        self.run(
            "tenant", "add", "contoso", "--tenant-id", info["tenant_id"],
            "--client-id", info["backup"]["client_id"],
            "--client-secret-file", self.secret("client", info["backup"]["client_secret"]),
            "--graph-url", info["graph_url"], "--authority-url", info["authority_url"],
            "--ca-file", info["ca_file"],
        )
        self.run("backup")

    def stop(self):
        for process in reversed(self.running):
            process.terminate()
        for process in self.running:
            process.wait(60)


def set_up(started):
    """The first administrator."""
    _, secret = started["setup_link"].split("#")
    answer = requests.post(
        f"{started['origin'].rstrip('/')}/api/v1/setup",
        json={"secret": secret, "name": NAME, "display_name": "Root", "password": PASSWORD},
        verify=started["certificate"],
    )
    answer.raise_for_status()


def schemathesis(work, started, document, *options):
    """Runs it once; True where all is as documented."""
    environment = os.environ | {
        "SCHEMATHESIS_HOOKS": "hooks",
        "PYTHONPATH": str(HERE),
        "HOLDFAST_ORIGIN": started["origin"].rstrip("/"),
        "HOLDFAST_CERTIFICATE": started["certificate"],
        "HOLDFAST_NAME": NAME,
        "HOLDFAST_PASSWORD": PASSWORD,
        "HOLDFAST_FOLDER": str(work),
    }
    command = [
        Path(sys.executable).parent / "schemathesis", "run", document,
        "--url", started["origin"].rstrip("/"), "--tls-verify", started["certificate"],
        "--seed", SEED, "--checks", "all", "--exclude-checks", WITHOUT,
        "--request-timeout", "20", "--no-shrink", "--continue-on-failure", "--no-color",
        # What it had to guess is no fault of the API.
        "--warnings", "off",
        *options,
    ]
    # It leaves a folder of its own where it runs.
    return subprocess.run(command, env=environment, cwd=work).returncode == 0


def main():
    binary, document = (str(Path(argument).resolve()) for argument in sys.argv[1:])
    with tempfile.TemporaryDirectory() as work:
        site = Site(binary, work)
        try:
            site.make()
            started = site.start("serve", "--listen", "127.0.0.1:0", "--json")
            set_up(started)
            good = schemathesis(
                work, started, document, "--exclude-path-regex", OWN, "--exclude-path", STREAM,
                "--max-examples", os.environ.get("HOLDFAST_API_EXAMPLES", "15"),
            )
            good &= schemathesis(
                work, started, document, "--include-path-regex", OWN,
                "--exclude-path-regex", GUESSES, "--exclude-name", GUESS,
                "--phases", "coverage,fuzzing", "--max-examples", "5",
            )
            for guesses in (["--include-path-regex", GUESSES], ["--include-name", GUESS]):
                good &= schemathesis(
                    work, started, document, *guesses,
                    "--phases", "coverage,fuzzing", "--max-examples", "5",
                )
        finally:
            site.stop()
    print("the API is as its document says" if good else "FAILED: see above")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
