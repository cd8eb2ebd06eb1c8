//! What can be typed, kept as files: a change of the command line is seen in a review.

use crate::site::holdfast;

const COMMANDS: [&[&str]; 70] = [
    &[],
    &["demo"],
    &["init"],
    &["recover"],
    &["join"],
    &["serve"],
    &["tenant"],
    &["tenant", "add"],
    &["tenant", "list"],
    &["tenant", "test"],
    &["tenant", "certificate"],
    &["tenant", "permissions"],
    &["resources"],
    &["backup"],
    &["schedule"],
    &["schedule", "list"],
    &["schedule", "set"],
    &["schedule", "remove"],
    &["schedule", "status"],
    &["job"],
    &["job", "list"],
    &["job", "show"],
    &["job", "pause"],
    &["job", "resume"],
    &["job", "cancel"],
    &["worker"],
    &["user"],
    &["user", "accept"],
    &["user", "list"],
    &["user", "add"],
    &["user", "disable"],
    &["user", "enable"],
    &["user", "remove"],
    &["user", "reset"],
    &["token"],
    &["token", "create"],
    &["token", "list"],
    &["token", "revoke"],
    &["snapshots"],
    &["ls"],
    &["cat"],
    &["find"],
    &["history"],
    &["diff"],
    &["restore"],
    &["export"],
    &["vault"],
    &["vault", "add"],
    &["vault", "list"],
    &["vault", "rekey"],
    &["vault", "extend"],
    &["vault", "check"],
    &["vault", "prune"],
    &["vault", "repair"],
    &["vault", "copy"],
    &["vault", "stats"],
    &["vault", "password"],
    &["vault", "kit"],
    &["erase"],
    &["catalog"],
    &["catalog", "rebuild"],
    &["audit"],
    &["audit", "list"],
    &["audit", "verify"],
    &["audit", "export"],
    &["doctor"],
    &["support-bundle"],
    &["sim"],
    &["sim", "serve"],
    &["completions"],
];

#[test]
fn help_of_every_command() {
    for command in COMMANDS {
        let answer = holdfast(&[command, &["--help"]].concat());
        assert_eq!((answer.code, answer.err.as_str()), (0, ""), "{command:?}");
        let name = ["holdfast", &command.join("-")].join("-");
        insta::assert_snapshot!(name.trim_end_matches('-'), answer.text());
    }
}

#[test]
fn version_and_completions() {
    let version = holdfast(&["--version"]).text();
    assert_eq!(version, format!("holdfast {}\n", env!("CARGO_PKG_VERSION")));
    for shell in ["bash", "zsh", "fish"] {
        let script = holdfast(&["completions", shell]).text();
        assert!(script.contains("snapshots") && script.contains("on-conflict"), "{shell}");
    }
}
