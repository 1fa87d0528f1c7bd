//! A folder, served (chapter 7, section 7).
//!
//! To open or read a file *blocks*: neither kqueue nor epoll can say when a disk
//! will be ready, and `O_NONBLOCK` means nothing to a regular file. In a server
//! with one thread each cold file would stop everybody. This is what the pool of
//! workers is for.
//!
//! No path leaves the folder, however it is spelled. Its segments are decoded
//! once, then looked at: `..` and empty ones, a slash or NUL in them, and names
//! that begin with a dot (`.git`, `.env`; `.well-known` excepted) are not found.
//! A symbolic link is followed if what it leads to is in the folder; else it is
//! forbidden. The check is made on the file that *was opened*, so that nobody can
//! exchange the path in between.

use std::borrow::Cow;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use httpdate::HttpDate;
use percent_encoding::{CONTROLS, percent_decode_str, utf8_percent_encode};

use crate::http::{Body, Method, Request, Response};
use crate::{log, trace};
use conditions::{State, Verdict};

mod conditions;

const METHODS: &str = "GET, HEAD, OPTIONS";

/// To be kept, but not used unasked (RFC 9111 §5.2.2.4): whoever writes a page
/// wants to see it, and the question costs a 304.
const CACHE: &str = "no-cache";

/// How often a path is opened anew because it leads elsewhere than it did.
const TRIES: usize = 8;

/// Of files that could not be opened, which a client may cause at will.
static ERRORS: log::Repeated = log::Repeated::new();

/// A folder whose files are served.
#[derive(Debug)]
pub struct Files {
    /// Without links in it.
    root: PathBuf,
}

/// Why there is no file to send.
enum Missing {
    NotFound,
    Forbidden,
    /// A folder was asked for without the slash at its end.
    Folder,
    Failed(io::Error),
}

impl Files {
    /// The folder `root`.
    ///
    /// # Errors
    /// It does not exist, is no folder, or may not be read.
    pub fn open(root: &Path) -> io::Result<Files> {
        let root = root.canonicalize()?;
        root.read_dir()?; // ENOTDIR, EACCES: better now than at the first request
        Ok(Files { root })
    }

    /// The answer to a request for one of the files.
    #[track_caller]
    pub fn respond(&self, request: &Request<'_>) -> Response {
        self.respond_at(request, SystemTime::now())
    }

    #[track_caller]
    fn respond_at(&self, request: &Request<'_>, now: SystemTime) -> Response {
        match request.head.method {
            Method::Get | Method::Head => {}
            Method::Options => return Response::empty(204).with("Allow", METHODS),
            _ => return Response::method_not_allowed(METHODS),
        }
        let (path, query) = request.path_and_query();
        let pause = trace::step_enters("file opens", path);
        let found = self.find(path);
        pause.leave("file opened", None, "");
        match found {
            Ok((file, metadata, name)) => send(request, file, &metadata, &name, now),
            Err(Missing::NotFound) => page(404, "Not Found", "There is nothing here."),
            Err(Missing::Forbidden) => page(403, "Forbidden", "This may not be read."),
            Err(Missing::Folder) => {
                let query = if query.is_empty() { String::new() } else { format!("?{query}") };
                // It begins with one slash: with two it would name another host.
                let there = format!("{path}/{query}");
                page(301, "Moved Permanently", "A folder ends with a slash.")
                    .with("Location", utf8_percent_encode(&there, CONTROLS))
            }
            Err(Missing::Failed(error)) => {
                ERRORS.failed(format_args!("open {path:?}"), &error);
                match error.raw_os_error() {
                    Some(libc::EMFILE | libc::ENFILE) => {
                        page(503, "Service Unavailable", "Too many files are open.")
                            .with("Retry-After", 1)
                    }
                    _ => page(500, "Internal Server Error", "The file cannot be read."),
                }
            }
        }
    }

    // ANCHOR: find
    fn find(&self, path: &str) -> Result<(File, Metadata, PathBuf), Missing> {
        let mut name = self.root.join(relative(path).ok_or(Missing::NotFound)?);
        let (mut file, mut metadata) = self.open_within(&name)?;
        if metadata.is_dir() {
            if !path.ends_with('/') {
                return Err(Missing::Folder);
            }
            name.push("index.html");
            (file, metadata) = self.open_within(&name)?;
        } else if path.ends_with('/') {
            return Err(Missing::NotFound);
        }
        // A pipe or a device would block for ever, or have no end.
        if metadata.is_file() { Ok((file, metadata, name)) } else { Err(Missing::Forbidden) }
    }

    /// Opens first and checks afterwards what it is that was opened. If the name
    /// no longer leads there, somebody has put a new file in its place: as who
    /// publishes with rename(2) does.
    fn open_within(&self, name: &Path) -> Result<(File, Metadata), Missing> {
        let tries = (0..TRIES).find_map(|_| self.try_to_open(name).transpose());
        tries.unwrap_or(Err(Missing::Forbidden))
    }

    /// `None` if the name leads elsewhere meanwhile.
    fn try_to_open(&self, name: &Path) -> Result<Option<(File, Metadata)>, Missing> {
        // O_NONBLOCK: to open a pipe would wait for who writes to it.
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(name);
        let file = file.map_err(why)?;
        let metadata = file.metadata().map_err(Missing::Failed)?;
        let real = name.canonicalize().map_err(why)?;
        let there = real.symlink_metadata().map_err(why)?;
        if !real.starts_with(&self.root) || is_hidden(&real, &self.root) {
            return Err(Missing::Forbidden);
        }
        let is_same = (there.dev(), there.ino()) == (metadata.dev(), metadata.ino());
        Ok(is_same.then_some((file, metadata)))
    }
    // ANCHOR_END: find
}

fn why(error: io::Error) -> Missing {
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR | libc::ENAMETOOLONG) => Missing::NotFound,
        Some(libc::EACCES | libc::EPERM | libc::ELOOP | libc::ENXIO) => Missing::Forbidden,
        _ => Missing::Failed(error),
    }
}

// ANCHOR: relative
/// Taken apart first, then decoded, once (RFC 3986 §2.4): a slash that is encoded
/// stands in a name, and no name has one.
fn relative(path: &str) -> Option<PathBuf> {
    let path = path.strip_prefix('/')?;
    let path = path.strip_suffix('/').filter(|rest| !rest.is_empty()).unwrap_or(path);
    let mut relative = PathBuf::new();
    for segment in path.split('/').filter(|_| !path.is_empty()) {
        let name = percent_decode_str(segment).decode_utf8().ok()?;
        let is_hidden = name.starts_with('.') && name != ".well-known";
        if name.is_empty() || is_hidden || name.contains(['/', '\0']) {
            return None;
        }
        relative.push(&*name);
    }
    Some(relative)
}
// ANCHOR_END: relative

/// A link may not lead to what has a hidden name either.
fn is_hidden(real: &Path, root: &Path) -> bool {
    let inside = real.strip_prefix(root).unwrap_or(real);
    inside.iter().any(|name| {
        name.as_encoded_bytes().starts_with(b".") && name.as_encoded_bytes() != b".well-known"
    })
}

// ANCHOR: send
/// 200, or what the conditions of the request make of it.
fn send(
    request: &Request<'_>,
    file: File,
    metadata: &Metadata,
    name: &Path,
    now: SystemTime,
) -> Response {
    let state = State::of(metadata, now);
    let part = |status, start: u64, length| {
        let content_type = media_type(name);
        let file = Response::ok(Body::File { file, start, length });
        Response { status, content_type, ..file }.with("Accept-Ranges", "bytes")
    };
    let response = match state.judge(request) {
        Verdict::Changed => page(412, "Precondition Failed", "It has changed."),
        Verdict::NotModified => Response::empty(304).with("Cache-Control", CACHE),
        Verdict::Whole => part(200, 0, state.length).with("Cache-Control", CACHE),
        Verdict::Part(first, last) => part(206, first as u64, last + 1 - first)
            .with("Content-Range", format!("bytes {first}-{last}/{}", state.length))
            .with("Cache-Control", CACHE),
        Verdict::Beyond => page(416, "Range Not Satisfiable", "The file is shorter.")
            .with("Content-Range", format!("bytes */{}", state.length)),
    };
    response.with("ETag", &state.tag).with("Last-Modified", HttpDate::from(state.modified))
}
// ANCHOR_END: send

fn media_type(name: &Path) -> Cow<'static, str> {
    let Some(guess) = mime_guess::from_path(name).first_raw() else {
        return Cow::Borrowed("application/octet-stream");
    };
    match guess {
        text if text.starts_with("text/") => Cow::Owned(format!("{text}; charset=utf-8")),
        "application/javascript" | "application/json" => {
            Cow::Owned(format!("{guess}; charset=utf-8"))
        }
        _ => Cow::Borrowed(guess),
    }
}

/// A small page for people.
fn page(status: u16, title: &str, text: &str) -> Response {
    let html = format!(
        "<!doctype html>\n<title>{status} {title}</title>\n<h1>{status} {title}</h1>\n<p>{text}</p>\n"
    );
    Response {
        content_type: Cow::Borrowed("text/html; charset=utf-8"),
        ..Response::text(status, html)
    }
    // Else a cache may guess how long a redirect or a 404 is true (RFC 9110 §15.1).
    .with("Cache-Control", "no-store")
}

#[cfg(test)]
mod tests;
