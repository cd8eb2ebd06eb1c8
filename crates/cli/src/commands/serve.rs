//! `serve`: the server with API, scheduler and worker.

use std::sync::Arc;

use holdfast_engine::Home;
use holdfast_jobs::{ServiceOptions, WorkerOptions};
use holdfast_server::{ServeOptions, Started, serve};
use serde_json::json;

use super::Done;
use super::worker::on_signal;
use crate::args::ServerArgs;
use crate::error::Result;
use crate::output::{self, Output};

pub async fn run(home: &Arc<Home>, args: &ServerArgs, out: Output) -> Result<Done> {
    let stop = on_signal()?;
    serve(Arc::clone(home), options(args), |started| tell(out, started), stop).await?;
    Ok(Done::from(0))
}

fn options(args: &ServerArgs) -> ServeOptions {
    let worker = WorkerOptions { slots: args.slots.into(), ..WorkerOptions::default() };
    let service =
        ServiceOptions { worker, is_scheduling: !args.no_scheduler, ..ServiceOptions::default() };
    ServeOptions {
        listen: args.listen,
        origin: args.origin.clone(),
        certificate: args.certificate.clone().zip(args.key.clone()),
        trusted_proxies: args.trusted_proxy.clone(),
        work: (!args.no_worker).then_some(service),
        ..ServeOptions::default()
    }
}

/// Says where it is reached, once it answers. The link is a secret that is good once: it is told to
/// whoever has started the server, and is not in the log.
fn tell(out: Output, started: &Started) {
    let document = json!({
        "address": started.address.to_string(),
        "origin": started.origin,
        "setup_link": started.setup_link,
        "certificate": started.own_certificate,
        "fingerprint": started.fingerprint,
    });
    // Where nobody reads, the server answers all the same.
    let _ = out.show(&document, || human(started));
}

fn human(started: &Started) -> String {
    let mut text = format!("Holdfast answers at {}\n", started.origin);
    if let Some(file) = &started.own_certificate {
        text.push_str(&format!(
            "  with a certificate of its own, {}\n  SHA-256 {}\n",
            output::clean(&file.display().to_string()),
            started.fingerprint,
        ));
    }
    if let Some(link) = &started.setup_link {
        text.push_str(&format!(
            "Nobody can sign in yet. This link makes the first administrator, once, within 24 hours:\n  \
             {link}\n  holdfast user accept '{link}' --name NAME\n"
        ));
    }
    text.push_str("It stops with Ctrl-C or SIGTERM, and loses no work.");
    text
}
