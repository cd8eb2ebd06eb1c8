//! Who holds a shard: the name of this process, and whether a named one is certainly dead.

use std::fs;
use std::path::Path;

/// `host boot-id pid-namespace pid start-time`: unique over restarts of process and machine.
pub fn name() -> String {
    let pid = std::process::id();
    let host = read("/proc/sys/kernel/hostname");
    [host, read("/proc/sys/kernel/random/boot_id"), namespace(), pid.to_string(), started(pid)]
        .join(" ")
}

/// True when the named process ran on this machine, in this boot and this process namespace, and
/// is no longer there: its lease may be taken over without waiting for the end.
pub fn is_dead(name: &str) -> bool {
    let parts: Vec<&str> = name.split(' ').collect();
    let [host, boot, space, pid, start] = parts[..] else { return false };
    let here = host == read("/proc/sys/kernel/hostname")
        && boot == read("/proc/sys/kernel/random/boot_id")
        && space == namespace();
    let known = !boot.is_empty() && boot != UNKNOWN && start != UNKNOWN;
    here && known && pid.parse().is_ok_and(|pid| started(pid) != start)
}

/// The part of a name that tells a person where to look.
pub fn for_people(name: &str) -> String {
    let parts: Vec<&str> = name.split(' ').collect();
    match parts[..] {
        [host, _, _, pid, _] => format!("process {pid} on {host}"),
        _ => name.to_owned(),
    }
}

const UNKNOWN: &str = "unknown";

fn read(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let text = text.trim().replace(' ', "_");
    if text.is_empty() { UNKNOWN.to_owned() } else { text }
}

fn namespace() -> String {
    fs::read_link("/proc/self/ns/pid")
        .map_or_else(|_| UNKNOWN.to_owned(), |link| link.display().to_string())
}

/// Start time in clock ticks since boot: field 22 of `/proc/<pid>/stat` (proc(5)); a zombie counts
/// as ended.
fn started(pid: u32) -> String {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(Path::new(&path)).unwrap_or_default();
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let mut fields = fields.split(' ');
    let zombie = matches!(fields.next(), Some("Z" | "X"));
    // The state was field 3, so field 22 is the 19th after it.
    let start = fields.nth(18).filter(|_| !zombie);
    start.map_or_else(|| UNKNOWN.to_owned(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_another_start_time_is_dead() {
        let me = name();
        assert!(!is_dead(&me));
        let (rest, _) = me.rsplit_once(' ').unwrap();
        assert!(is_dead(&format!("{rest} 1")));
        assert!(!is_dead("elsewhere boot pid:[1] 1 1"));
        assert!(!is_dead("nonsense"));
    }
}
