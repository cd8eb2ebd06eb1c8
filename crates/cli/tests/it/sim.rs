//! `sim serve`: one line, then it stays until it is told to stop.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::site::command;

#[test]
fn the_first_line_says_how_to_reach_it() {
    let mut child = command()
        .args(["sim", "serve", "--users", "2", "--seed", "7", "--mails-per-user", "3"])
        .args(["--host", "graph.example", "--latency-ms", "0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let info: Value = serde_json::from_str(&line).unwrap();
    let fields: Vec<&String> = info.as_object().unwrap().keys().collect();
    let expected = [
        "graph_url",
        "authority_url",
        "ca_file",
        "tenant_id",
        "client_id",
        "client_secret",
        "backup",
        "restore",
    ];
    assert_eq!(fields, expected);
    for client in ["backup", "restore"] {
        assert!(info[client]["client_id"].is_string() && info[client]["client_secret"].is_string());
    }
    let ca_file = info["ca_file"].as_str().unwrap().to_owned();
    assert!(std::fs::read_to_string(&ca_file).unwrap().contains("BEGIN CERTIFICATE"));

    let told = Command::new("sh").args(["-c", &format!("kill -TERM {}", child.id())]).status();
    assert!(told.unwrap().success());
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(!std::path::Path::new(&ca_file).exists());
}
