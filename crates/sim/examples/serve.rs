//! A simulated tenant on its own, for clients in other languages. Prints what a client needs to
//! know as one line of JSON, and runs until it is stopped. Arguments: `--users N --seed S
//! --mails N --listen ADDR --corpus DIR --state DIR --faults calm|flaky|storm --latency-ms N
//! --host NAME`.

use std::io::Write;
use std::time::Duration;

use holdfast_sim::{SimConfig, start};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn config() -> Result<SimConfig> {
    let mut config = SimConfig { mails_per_user: 40, ..SimConfig::default() };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--listen" => config.listen = value.parse()?,
            "--users" => config.users = value.parse()?,
            "--seed" => config.seed = value.parse()?,
            "--mails" => config.mails_per_user = value.parse()?,
            "--corpus" => config.corpus = Some(value.into()),
            "--state" => config.state = Some(value.into()),
            "--faults" => config.faults = value.parse()?,
            "--latency-ms" => config.latency = Duration::from_millis(value.parse()?),
            "--host" => config.hosts.push(value),
            _ => return Err(format!("unknown argument {name}").into()),
        }
    }
    Ok(config)
}

#[tokio::main]
async fn main() -> Result<()> {
    let sim = start(config()?).await?;
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&sim.info)?)?;
    sim.wait().await;
    Ok(())
}
