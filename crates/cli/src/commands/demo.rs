//! demo
use crate::args::Demo;
use crate::error::Result;
use crate::output::Output;
pub async fn run(_args: &Demo, _out: Output) -> Result<u8> {
    Ok(0)
}
