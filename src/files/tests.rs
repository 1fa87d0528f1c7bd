use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, UNIX_EPOCH};

mod conditions;

use super::*;
use crate::http::{Head, Limits, Parsed};

const HOUR: Duration = Duration::from_secs(3600);

/// A folder of its own, with some files; removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("files-{}-{n}", std::process::id()));
        for dir in ["site/sub", "site/.git", "site/.well-known", "outside"] {
            fs::create_dir_all(path.join(dir)).unwrap();
        }
        for (name, text) in [
            ("site/index.html", "<p>index"),
            ("site/ten.txt", "0123456789"),
            ("site/empty", ""),
            ("site/a b%20c.txt", "odd name"),
            ("site/sub/index.html", "<p>sub"),
            ("site/.git/config", "secret"),
            ("site/.env", "secret"),
            ("site/.well-known/x", "known"),
            ("outside/secret.txt", "secret"),
        ] {
            fs::write(path.join(name), text).unwrap();
        }
        symlink("ten.txt", path.join("site/inside-link")).unwrap();
        symlink("../outside/secret.txt", path.join("site/leak")).unwrap();
        symlink("../outside", path.join("site/leak-dir")).unwrap();
        symlink(".env", path.join("site/hidden-link")).unwrap();
        symlink("loop", path.join("site/loop")).unwrap();
        symlink("nowhere", path.join("site/dangling")).unwrap();
        Folder(path)
    }

    fn ask(&self, line: &str, fields: &str) -> Response {
        let files = Files::open(&self.0.join("site")).unwrap();
        let text = format!("{line} HTTP/1.1\r\nHost: x\r\n{fields}\r\n");
        let Parsed::Complete(head) = Head::parse(text.as_bytes(), &Limits::DEFAULT) else {
            panic!("not a request: {text:?}");
        };
        // Later, when its files are no longer new.
        files.respond_at(&Request::new(head, text.as_bytes(), b""), SystemTime::now() + HOUR)
    }

    fn get(&self, path: &str) -> Response {
        self.ask(&format!("GET {path}"), "")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn content(response: &Response) -> String {
    let mut bytes = Vec::new();
    response.body.piece(0, usize::MAX, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn field<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.fields.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[test]
fn files_and_folders_are_found() {
    let folder = Folder::new();
    for (path, text) in [
        ("/", "<p>index"),
        ("/index.html", "<p>index"),
        ("/?query", "<p>index"),
        ("http://example.org", "<p>index"),
        ("http://example.org/ten.txt", "0123456789"),
        ("/%74en.txt", "0123456789"),
        ("/a%20b%2520c.txt", "odd name"),
        ("/sub/", "<p>sub"),
        ("/empty", ""),
        ("/inside-link", "0123456789"),
        ("/.well-known/x", "known"),
    ] {
        let response = folder.get(path);
        assert_eq!((response.status, content(&response)), (200, text.to_string()), "{path}");
    }
}

/// By whatever spelling: nothing outside, nothing hidden.
#[test]
fn no_path_leaves_the_folder() {
    let folder = Folder::new();
    for path in [
        "/../outside/secret.txt",
        "/sub/../../outside/secret.txt",
        "/sub/..",
        "/./ten.txt",
        "/%2e%2e/outside/secret.txt",
        "/%2E%2E%2Foutside%2Fsecret.txt",
        "/..%2foutside/secret.txt",
        "/%252e%252e/outside/secret.txt",
        "/..%5coutside",
        "//",
        "//ten.txt",
        "/sub//index.html",
        "//etc/passwd",
        "/%2Fetc/passwd",
        // RFC 3986 §2.4: a slash that is encoded separates nothing.
        "/sub%2Findex.html",
        "/sub%2F",
        "/%2F",
        "/.%2ften.txt",
        "/ten.txt%00",
        "/ten.txt%00.html",
        "/%c0%ae%c0%ae/outside/secret.txt",
        "/%ff",
        "/.git/config",
        "/.env",
        "/%2eenv",
        "/nothing",
        "/dangling",
        "/ten.txt/",
        "/ten.txt/x",
        "http://example.org/../outside/secret.txt",
    ] {
        assert_eq!(folder.get(path).status, 404, "{path}");
    }
    for path in
        ["/leak", "/leak-dir", "/leak-dir/", "/leak-dir/secret.txt", "/hidden-link", "/loop"]
    {
        assert_eq!(folder.get(path).status, 403, "{path}");
    }
    let long = format!("/{}", "x".repeat(5000));
    assert_eq!(folder.get(&long).status, 404);
}

#[test]
fn a_pipe_is_not_waited_for() {
    let folder = Folder::new();
    let made = std::process::Command::new("mkfifo").arg(folder.0.join("site/pipe")).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo(1), which POSIX has, is missing");
    assert_eq!(folder.get("/pipe").status, 403);
}

#[test]
fn a_file_that_may_not_be_read_is_forbidden() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let path = folder.0.join("site/ten.txt");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    // Root may read it all the same.
    let status = if File::open(&path).is_ok() { 200 } else { 403 };
    assert_eq!(folder.get("/ten.txt").status, status);
}

#[test]
fn a_folder_without_its_slash_is_redirected() {
    let folder = Folder::new();
    for (path, there) in [("/sub", "/sub/"), ("/sub?a=b", "/sub/?a=b"), ("http://x/sub", "/sub/")] {
        let response = folder.get(path);
        assert_eq!((response.status, field(&response, "Location")), (301, Some(there)), "{path}");
    }
    fs::remove_file(folder.0.join("site/sub/index.html")).unwrap();
    assert_eq!(folder.get("/sub/").status, 404, "folders are not listed");
}

#[test]
fn other_methods_are_not_allowed() {
    let folder = Folder::new();
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE"] {
        let response = folder.ask(&format!("{method} /"), "");
        assert_eq!((response.status, field(&response, "Allow")), (405, Some(METHODS)));
    }
    assert_eq!(folder.ask("OPTIONS /", "").status, 204);
}

#[test]
fn media_types_follow_the_name() {
    for (name, kind) in [
        ("a.html", "text/html; charset=utf-8"),
        ("a.css", "text/css; charset=utf-8"),
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.json", "application/json; charset=utf-8"),
        ("a.svg", "image/svg+xml"),
        ("a.png", "image/png"),
        ("a.woff2", "font/woff2"),
        ("a", "application/octet-stream"),
        ("a.unheard-of", "application/octet-stream"),
    ] {
        assert_eq!(media_type(Path::new(name)), kind, "{name}");
    }
}

#[test]
fn a_file_that_shrinks_is_noticed() {
    let folder = Folder::new();
    let response = folder.get("/ten.txt");
    fs::write(folder.0.join("site/ten.txt"), "012").unwrap();
    assert!(response.body.piece(0, 10, &mut Vec::new()).is_err());
}

/// Who publishes with rename(2) leaves no moment without a file.
#[test]
fn a_file_that_is_replaced_is_never_refused() {
    use std::sync::atomic::AtomicBool;
    let folder = Folder::new();
    let (path, new) = (folder.0.join("site/ten.txt"), folder.0.join("new"));
    let done = AtomicBool::new(false);
    let wrong = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                fs::write(&new, "0123456789").unwrap();
                fs::rename(&new, &path).unwrap();
            }
        });
        let wrong: Vec<_> =
            (0..2000).map(|_| folder.get("/ten.txt").status).filter(|&s| s != 200).collect();
        done.store(true, Ordering::Relaxed);
        wrong
    });
    assert_eq!(wrong, [0; 0]);
}
