//! The server: a given one, or one of our own from Debian's package.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tempfile::TempDir;

/// Where Debian puts the programs of each version.
const PACKAGES: &str = "/usr/lib/postgresql";

/// The least version: it makes databases with ICU.
const VERSION: u32 = 15;

/// Server programs refuse to run as root; Debian's package makes this user.
const USER: &str = "postgres";

/// Of the superuser of a server that only its own socket reaches.
const PASSWORD: &str = "throw away";

/// Reached by its socket only, and its log can be read.
const SETTINGS: [&str; 4] =
    ["listen_addresses=", "max_connections=200", "lc_messages=C", "log_min_messages=log"];

/// What makes a server whose data nobody needs after a crash quick to start and to use.
const HASTY: [&str; 5] = [
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=off",
    "shared_buffers=32MB",
    "autovacuum=off",
];

/// A server on which databases may be made.
#[derive(Debug)]
pub struct Server {
    pub(crate) url: String,
    own: Option<Own>,
}

/// A running server and its files, which go with this value.
#[derive(Debug)]
struct Own {
    programs: PathBuf,
    folder: TempDir,
}

/// The server that the tests of this process share while one of them runs.
static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());

impl Server {
    /// The server of this process; none where there is none to start.
    pub(crate) fn shared() -> Option<Arc<Self>> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return Some(server);
        }
        let server = Arc::new(match std::env::var(crate::SERVER) {
            Ok(url) => Self { url, own: None },
            Err(_) => Self::start(programs()?, &HASTY),
        });
        *shared = Arc::downgrade(&server);
        Some(server)
    }

    /// A server of our own that keeps what it has committed; none where there is none to start.
    pub(crate) fn durable() -> Option<Arc<Self>> {
        Some(Arc::new(Self::start(programs()?, &[])))
    }

    fn start(programs: PathBuf, more: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("holdfast-pg-").tempdir().unwrap();
        // Reached by the user as whom the server runs, and by nobody's listing.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
        let own = Own { programs, folder };
        let data = own.path("data");
        fs::create_dir(&data).unwrap();
        let secret = own.path("password");
        fs::write(&secret, PASSWORD).unwrap();
        own.give_away(&[&data, &secret]);
        own.init(&secret);
        own.run(more);
        // The folder of the socket, as part of a query, needs no escaping: it is a temporary one.
        let socket = data.display();
        let url = format!("postgres://{USER}:throw%20away@localhost/postgres?host={socket}");
        Self { url, own: Some(own) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(own) = &self.own {
            let data = own.path("data");
            let stopped = own
                .command("pg_ctl")
                .arg("stop")
                .args(["-m", "immediate", "-D"])
                .arg(data)
                .output();
            assert!(stopped.is_ok() || std::thread::panicking(), "pg_ctl: {stopped:?}");
        }
    }
}

impl Own {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A program of the server, ended with the thread that starts it, as a user that it accepts.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "INT"]);
        if rustix::process::getuid().is_root() {
            command.args(["--reuid", USER, "--regid", USER, "--init-groups"]);
        }
        command.arg(self.programs.join(program)).current_dir("/");
        command
    }

    fn give_away(&self, paths: &[&Path]) {
        if rustix::process::getuid().is_root() {
            let done = Command::new("chown").arg(USER).args(paths).status();
            assert!(done.is_ok_and(|status| status.success()), "chown to {USER}");
        }
    }

    fn init(&self, secret: &Path) {
        let mut command = self.command("initdb");
        command.args(["--username", USER, "--auth", "scram-sha-256", "--encoding", "UTF8"]);
        command.args(["--locale", "C.UTF-8", "--no-sync", "--no-instructions", "--pwfile"]);
        let output = command.arg(secret).arg("--pgdata").arg(self.path("data")).output().unwrap();
        assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Starts the server and returns when it takes connections.
    fn run(&self, more: &[&str]) {
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.path("data"));
        command.arg("-c").arg(format!("unix_socket_directories={}", self.path("data").display()));
        for setting in SETTINGS.iter().chain(more) {
            command.args(["-c", setting]);
        }
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let (ready, is_ready) = channel();
        // The thread lives as long as the server: with it the server would end.
        std::thread::spawn(move || {
            let mut child = command.spawn().unwrap();
            watch(child.stderr.take().unwrap(), &ready);
            child.wait()
        });
        if let Err(log) = is_ready.recv().unwrap_or(Err("it ended".into())) {
            panic!("the PostgreSQL server does not start: {log}");
        }
    }
}

/// Reads the server's log to its end and tells when it is ready, or what it said instead.
fn watch(log: ChildStderr, ready: &Sender<Result<(), String>>) {
    let mut said = String::new();
    for line in BufReader::new(log).lines().map_while(io::Result::ok) {
        if line.contains("ready to accept connections") {
            let _ = ready.send(Ok(()));
        }
        said.push_str(&line);
        said.push('\n');
    }
    let _ = ready.send(Err(said));
}

/// Programs of the newest version that is installed.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir(PACKAGES).ok()?.filter_map(|entry| {
        let entry = entry.ok()?;
        let version: u32 = entry.file_name().to_str()?.parse().ok()?;
        let programs = entry.path().join("bin");
        (version >= VERSION && programs.join("initdb").exists()).then_some((version, programs))
    });
    versions.max().map(|(_, programs)| programs)
}
