//! The end of the demo: the console over what was just backed up, until Ctrl-C.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use holdfast_engine::Home;
use holdfast_server::{ServeOptions, Started, serve};

use crate::commands::worker::on_signal;
use crate::error::Result;
use crate::output::Output;

pub(super) async fn open(home: Arc<Home>, out: Output) -> Result<()> {
    let options = ServeOptions { listen: place(), ..ServeOptions::default() };
    // Where nobody reads, it answers all the same.
    serve(home, options, |started| drop(out.say(&invitation(out, started))), on_signal()?).await?;
    Ok(())
}

/// The usual place, or any where that is taken.
fn place() -> SocketAddr {
    let usual = ServeOptions::default().listen;
    match TcpListener::bind(usual) {
        Ok(_) => usual,
        Err(_) => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
    }
}

fn invitation(out: Output, started: &Started) -> String {
    let link = started.setup_link.as_deref().unwrap_or_else(|| started.origin.as_str());
    format!(
        "\n{}\n   Open this link in a browser of this machine; it is good once:\n\n     {link}\n\n   \
         The browser warns of the certificate, which the demo has made for itself (SHA-256\n   {}).\n   \
         Ctrl-C ends the demo, and nothing is left behind.",
        out.heading("The console"),
        started.fingerprint,
    )
}
