//! nginx by the rules of the comparison, in a folder of its own: it touches
//! nothing of an nginx that is installed and runs as whoever runs the ladder.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::scenarios::BIG;
use super::trouble::Result;

/// As many as hyper and axum get threads.
pub const WORKERS: usize = 2;

/// Modules whose folder for temporary files nginx makes at its start, used or not.
const TEMPORARY: [&str; 5] = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];

/// The folder with configuration, process id and the file for `/big`.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Writes it.
    ///
    /// # Errors
    /// What the file system says.
    pub fn new(port: u16) -> Result<Folder> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("ladder-nginx-{}-{number}", std::process::id());
        let folder = Folder(std::env::temp_dir().join(name));
        fs::create_dir_all(&folder.0)?;
        // Started by root, nginx serves as another user, who has to get at the file.
        fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o755))?;
        let big: Vec<u8> = (0..BIG).map(common::http::pattern).collect();
        fs::write(folder.0.join("big"), big)?;
        fs::set_permissions(folder.0.join("big"), fs::Permissions::from_mode(0o644))?;
        fs::write(folder.0.join("nginx.conf"), configuration(&folder.0, port))?;
        Ok(folder)
    }

    /// The command that starts nginx in it.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.arg("-p").arg(&self.0).arg("-c").arg(self.0.join("nginx.conf"));
        command.args(["-e", "stderr", "-g", "daemon off;"]);
        command
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn configuration(folder: &Path, port: u16) -> String {
    let dir = folder.display();
    let mut temporary = String::new();
    for module in TEMPORARY {
        let _ = writeln!(temporary, "    {module}_temp_path {dir}/{module};");
    }
    format!(
        "worker_processes {WORKERS};
worker_rlimit_nofile 20000;
pid {dir}/nginx.pid;
events {{
    worker_connections 19000;
    multi_accept on;
}}
http {{
    access_log off;
    sendfile on;
    keepalive_requests 100000000;
{temporary}
    server {{
        listen 127.0.0.1:{port} reuseport backlog=4096;
        default_type text/plain;
        location = / {{ return 200 \"Hello World\\n\"; }}
        location = /big {{ alias {dir}/big; }}
    }}
}}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_keeps_the_rules_of_the_comparison() {
        let text = configuration(Path::new("/t"), 4711);
        for rule in [
            "worker_processes 2;",
            "multi_accept on;",
            "access_log off;",
            "sendfile on;",
            "keepalive_requests 100000000;",
            "listen 127.0.0.1:4711 reuseport backlog=4096;",
            "return 200 \"Hello World\\n\";",
        ] {
            assert!(text.contains(rule), "{rule} is missing in:\n{text}");
        }
        assert_eq!(text.matches('{').count(), text.matches('}').count());
    }

    #[test]
    fn the_folder_goes_with_its_value() {
        let folder = Folder::new(1).expect("a folder");
        let path = folder.0.clone();
        assert_eq!(fs::metadata(path.join("big")).map(|m| m.len()).ok(), Some(BIG as u64));
        drop(folder);
        assert!(!path.exists());
    }
}
