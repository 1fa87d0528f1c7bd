//! Step 7: the workers read files.

use std::fs;
use std::path::PathBuf;

use super::look::{Came, about, came, last_lines, lines};
use super::{Case, EARLIER, Part, first};
use crate::workshop::{Attempt, Verdict};
use common::lab::Result;

const FILES: &str = "ch07-7.html#the-code";

/// A folder that goes when the check is over.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Folder> {
        let folder = std::env::temp_dir().join(format!("workshop-ch07-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        Ok(Folder(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Step 7.
pub(super) fn serves_a_folder(attempt: &Attempt) -> Result<Verdict> {
    first(attempt, &[files], "a folder is served, and nothing outside of it; the demo has moved")
}

fn files(attempt: &Attempt) -> Part {
    let case = Case {
        did: "started it with --root DIR, and asked for files of DIR, for the demo, and \
              for what nobody should get",
        expected: "200 for a file, /_demo/ says hello, and 404 for what lies outside or is \
                   hidden",
        page: FILES,
    };
    let folder = Folder::new()?;
    fs::write(folder.0.join("poem.txt"), "so much depends\n")?;
    fs::write(folder.0.join(".secret"), "nobody's business\n")?;
    let root = folder.0.to_string_lossy().into_owned();
    let server = attempt.start(&["--workers", "2", "--root", &root])?;
    let mut a = attempt.connect("A", &server)?;
    let fd = server.fd_of(a.local())?;
    let wanted: [(&str, u16, &[u8]); 5] = [
        ("/poem.txt", 200, b"so much depends\n"),
        ("/_demo/", 200, b"Hello World\n"),
        ("/.secret", 404, b""),
        ("/../../../../etc/passwd", 404, b""),
        ("/%2e%2e/%2e%2e/etc/passwd", 404, b""),
    ];
    for (path, status, body) in wanted {
        a.get(path)?;
        let answer = match came(&server, &mut a)? {
            Came::Answer(answer) => answer,
            _ => {
                return case.part(
                    format!("{path}: no answer"),
                    EARLIER,
                    last_lines(&server.records()),
                );
            }
        };
        if answer.status != status || (status == 200 && answer.body != body) {
            let got = String::from_utf8_lossy(&answer.body).trim_end().to_string();
            return case.part(
                format!("{path}: {} {got:?}", answer.status),
                "What is served is decided in one place: `Site::open` is told the folder of \
                 the command line (--root), and `site.respond` gives the answer, in a \
                 worker, which may sleep for the disk.",
                lines(&server.records(), about(fd)),
            );
        }
    }
    attempt.finish(server)?;
    Ok(None)
}
