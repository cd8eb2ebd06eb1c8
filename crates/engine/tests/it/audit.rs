//! The audit record under attack: whatever is done to the database, to the vault or to an exported
//! file, `verify` names the first number that is wrong.

mod attack;
mod export;
mod life;
