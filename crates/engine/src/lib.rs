//! One file per operation: backup, restore, verify, rebuild
