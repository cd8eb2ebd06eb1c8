//! A simulated tenant on its own, for clients in other languages. Prints what a client needs to
//! know as one line of JSON, and runs until it is stopped.

use std::io::Write;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = holdfast_sim::SimConfig { mails_per_user: 40, ..Default::default() };
    let sim = holdfast_sim::start(config).await?;
    let line = serde_json::to_string(&sim.info)?;
    writeln!(std::io::stdout(), "{line}")?;
    std::future::pending::<()>().await;
    Ok(())
}
