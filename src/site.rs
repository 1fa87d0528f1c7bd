//! What the complete server serves: the demo routes, or a folder and the demo
//! routes below `/_demo/`.

use std::path::Path;

use crate::cli::{Failure, Trying};
use crate::files::Files;
use crate::http::{Method, Request, Response, demo};

/// Where the demo routes are when a folder has all other paths.
const DEMO: &str = "/_demo";

/// What is served.
#[derive(Debug)]
pub struct Site {
    files: Option<Files>,
}

impl Site {
    /// The files of `root`, or the demo routes alone.
    ///
    /// # Errors
    /// `root` is no folder that can be read.
    pub fn open(root: Option<&Path>) -> Result<Site, Failure> {
        let open = |root: &Path| {
            Files::open(root).trying(format_args!("open the folder {}", root.display()))
        };
        Ok(Site { files: root.map(open).transpose()? })
    }

    /// The answer to a request. This may block, on a disk or in a slow handler:
    /// it is what the workers are for.
    #[track_caller]
    pub fn respond(&self, request: &Request<'_>) -> Response {
        let Some(files) = &self.files else { return demo::respond_with_body(request) };
        match request.below(DEMO) {
            Some(request) => demo::respond_with_body(&request),
            None if request.head.method == Method::Unknown || request.target() == "*" => {
                demo::respond(request)
            }
            None => files.respond(request),
        }
    }
}
