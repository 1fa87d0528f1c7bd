//! What a stream of bytes asks for, said by a second parser: written from RFC 9110
//! and RFC 9112 and the choices that the server states (what it refuses where the
//! RFC lets it choose), line by line, with no code of the server.

use std::net::Ipv6Addr;

use super::answers::{Answer, Answers};
use super::{Ending, Plan};

/// The limits that ch07 states.
const MOST_LINE: usize = 8 * 1024;
const MOST_HEAD: usize = 16 * 1024;
const MOST_FIELDS: usize = 100;
const MOST_BODY: usize = 1024 * 1024;
/// And to this 16 bytes for each of the content.
const MOST_CODING: usize = 16 * 1024;

/// What decides how an answer is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// No content follows, whatever the head promises.
    Head,
    /// As the head says.
    Other,
}

/// All that a stream asks for.
#[derive(Debug)]
pub struct Requests {
    served: Vec<Request>,
    end: End,
}

/// A complete request.
#[derive(Debug)]
struct Request {
    method: String,
    target: String,
    /// Names in lower case.
    fields: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    keep_alive: bool,
    expects_continue: bool,
    /// It is on the border of the grammar: to refuse it would be right, too.
    may_be_refused: bool,
}

/// What comes behind the last complete request.
#[derive(Debug)]
enum End {
    /// Nothing that is looked at: the stream ends there, or the connection.
    Nothing,
    /// The beginning of one.
    Unfinished { asked: Asked, waits: bool, expects: bool },
    /// None: it is to be refused.
    Wrong { asked: Asked, expects: bool },
}

/// Why there is no complete request (or head, or body).
enum No {
    NotYet,
    Never,
}

/// The path that is asked for, with no authority and no query; and the query.
fn path_and_query(target: &str) -> (&str, &str) {
    let target = match target.find("://") {
        Some(at) if !target.starts_with('/') => {
            let rest = &target[at + 3..];
            rest.find(['/', '?']).map_or("/", |at| &rest[at..])
        }
        _ => target,
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    (if path.is_empty() { "/" } else { path }, query)
}

impl Requests {
    /// Takes a stream apart.
    pub fn of(mut stream: &[u8]) -> Requests {
        let mut served: Vec<Request> = Vec::new();
        let end = loop {
            if stream.is_empty() || served.last().is_some_and(|last| !last.keep_alive) {
                break End::Nothing;
            }
            let mut start = &stream[..stream.len().min(MOST_LINE)];
            while let [b'\r', b'\n', rest @ ..] | [b'\n', rest @ ..] = start {
                start = rest;
            }
            let is_head = start.starts_with(b"HEAD ");
            let asked = if is_head { Asked::Head } else { Asked::Other };
            let (mut request, length) = match head(stream) {
                Ok(found) => found,
                Err(No::NotYet) => break End::Unfinished { asked, waits: false, expects: false },
                Err(No::Never) => break End::Wrong { asked, expects: false },
            };
            let Ok(framing) = request.framing() else {
                break End::Wrong { asked, expects: false };
            };
            let rest = &stream[length..];
            let expects = request.expects_continue;
            match body(framing, rest) {
                Ok((content, length, is_odd)) => {
                    request.body = content;
                    request.may_be_refused |= is_odd;
                    stream = &rest[length..];
                    served.push(request);
                }
                Err(No::NotYet) => {
                    let waits = expects && rest.is_empty() && !request.may_be_refused;
                    break End::Unfinished { asked, waits, expects };
                }
                Err(No::Never) => break End::Wrong { asked, expects },
            }
        };
        Requests { served, end }
    }

    /// What the answers are to.
    pub fn methods(&self) -> Vec<Asked> {
        let asked = |r: &Request| if r.method == "HEAD" { Asked::Head } else { Asked::Other };
        let served = self.served.iter().map(asked);
        served
            .chain(match self.end {
                End::Nothing => None,
                End::Unfinished { asked, .. } | End::Wrong { asked, .. } => Some(asked),
            })
            .collect()
    }

    /// Holds answers against the requests: how many, in which order, with which
    /// status and content, and which of them is the last.
    pub fn check(&self, answers: &Answers, plan: &Plan, is_stopping: bool, files: &[Vec<u8>]) {
        let may_lack = is_stopping || plan.ending == Ending::Vanishes;
        self.check_continues(answers);
        for (n, request) in self.served.iter().enumerate() {
            let Some(answer) = answers.finals.get(n) else {
                assert!(may_lack, "no answer to {request:?}");
                return;
            };
            if request.may_be_refused && is_refusal(answer) {
                return;
            }
            request.check(answer, plan.folder, files);
            if answer.says_close() {
                assert!(is_stopping || !request.keep_alive, "a close for nothing: {answer:?}");
                return;
            }
            assert!(request.keep_alive, "it should close: {answer:?} to {request:?}");
        }
        let more = &answers.finals[self.served.len()..];
        assert!(more.iter().all(is_refusal) && more.len() <= 1, "to nothing: {more:?}");
        match &self.end {
            End::Nothing => assert!(more.is_empty(), "to nothing: {more:?}"),
            End::Wrong { .. } => {
                assert!(may_lack || more.len() == 1, "not refused, answers {answers:?}");
                assert!(more.iter().all(|answer| answer.status != 408), "408 to what is wrong");
            }
            End::Unfinished { waits, .. } => {
                let is_late = plan.ending == Ending::FallsSilent;
                assert!(is_late || more.iter().all(|answer| answer.status != 408), "408 too early");
                let told = answers.continues.contains(&self.served.len());
                assert!(
                    !waits || told || may_lack || !more.is_empty(),
                    "it waits for 100 Continue"
                );
            }
        }
    }

    /// 100 goes to who expects it, once (RFC 9110 §15.2, §10.1.1).
    fn check_continues(&self, answers: &Answers) {
        assert!(answers.continues.is_sorted_by(|a, b| a < b), "100 Continue twice");
        for &n in &answers.continues {
            let expects = match (self.served.get(n), &self.end) {
                (Some(request), _) => request.expects_continue,
                (None, End::Unfinished { expects, .. } | End::Wrong { expects, .. }) => *expects,
                (None, End::Nothing) => false,
            };
            assert!(expects && n <= self.served.len(), "100 Continue to who does not expect it");
        }
    }
}

/// A refusal is always the last answer.
fn is_refusal(answer: &Answer) -> bool {
    let statuses = [400, 408, 413, 414, 417, 421, 431, 501, 505];
    statuses.contains(&answer.status) && answer.says_close()
}

impl Request {
    fn check(&self, answer: &Answer, folder: bool, files: &[Vec<u8>]) {
        let (path, query) = path_and_query(&self.target);
        let demo = path.strip_prefix("/_demo").filter(|rest| rest.starts_with('/'));
        let is_known = self.method_is(&[
            "GET", "HEAD", "POST", "OPTIONS", "CONNECT", "PUT", "DELETE", "TRACE", "PATCH",
        ]);
        if !is_known {
            assert_eq!(answer.status, 501, "{self:?}");
        } else if !folder {
            self.check_demo(answer, path, query);
        } else if let Some(path) = demo {
            self.check_demo(answer, path, query);
        } else if self.target == "*" || self.method == "OPTIONS" {
            assert_eq!(answer.status, 204, "{self:?}");
        } else if !self.method_is(&["GET", "HEAD"]) {
            assert_eq!(answer.status, 405, "{self:?}");
        } else {
            self.check_file(answer, path, files);
        }
    }

    fn method_is(&self, methods: &[&str]) -> bool {
        methods.contains(&&*self.method)
    }

    /// The demo routes, as the README states them.
    fn check_demo(&self, answer: &Answer, path: &str, query: &str) {
        let reads = self.method_is(&["GET", "HEAD"]);
        let number = |name: &str, most: usize| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let value = pairs.find(|(key, _)| *key == name)?.1;
            let is_number = value.bytes().all(|b| b.is_ascii_digit());
            value.parse::<usize>().ok().filter(|&n| is_number && n <= most)
        };
        let (status, content): (u16, Option<Vec<u8>>) = match path {
            "*" => (204, None),
            "/" | "/big" | "/slow" | "/echo" if self.method == "OPTIONS" => (204, None),
            "/echo" if self.method == "POST" => (200, Some(self.body.clone())),
            "/" if reads => (200, Some(b"Hello World\n".to_vec())),
            "/big" if reads => match number("bytes", 64 << 20) {
                Some(n) => (200, Some(pattern(n))),
                None => (400, None),
            },
            "/slow" if reads => match number("ms", 10_000) {
                Some(n) => (200, Some(format!("slept {n} ms\n").into_bytes())),
                None => (400, None),
            },
            "/" | "/big" | "/slow" | "/echo" => (405, None),
            _ => (404, None),
        };
        assert_eq!(answer.status, status, "{self:?}");
        let Some(content) = content else { return };
        let length = content.len().to_string();
        assert_eq!(answer.field("content-length"), Some(&*length), "{self:?}");
        if self.method != "HEAD" {
            assert!(answer.body == content, "{self:?} gives other content");
        }
    }

    /// A folder: whatever the path, what comes is a file of it, or a part of one.
    fn check_file(&self, answer: &Answer, path: &str, files: &[Vec<u8>]) {
        match answer.status {
            200 if self.method == "GET" => {
                assert!(files.contains(&answer.body), "{path}: no file of the folder");
            }
            200 | 304 => {}
            206 => {
                let part = &*answer.body;
                let has = |file: &Vec<u8>| file.windows(part.len()).any(|window| window == part);
                assert!(files.iter().any(has), "{path}: a part of no file of the folder");
            }
            301 => assert!(!path.ends_with('/'), "{path} has its slash"),
            403 | 404 | 412 | 416 => {}
            other => panic!("{other} to {self:?}"),
        }
        let conditions = ["range", "if-match", "if-none-match", "if-modified-since"];
        let has_any = |(name, _): &(String, Vec<u8>)| {
            conditions.contains(&&**name) || name == "if-unmodified-since"
        };
        let asks_more = self.fields.iter().any(has_any);
        assert!(asks_more || !matches!(answer.status, 206 | 304 | 412 | 416), "for nothing");
        if path == "/" && !asks_more {
            assert_eq!(answer.status, 200, "{self:?}");
        }
    }

    fn values(&self, name: &str) -> Vec<&[u8]> {
        let named = self.fields.iter().filter(|(n, _)| n == name);
        named.map(|(_, value)| value.as_slice()).collect()
    }

    /// The comma-separated members of all lines of that name.
    fn list(&self, name: &str) -> Vec<&[u8]> {
        let members = |value| <[u8]>::split(value, |&b| b == b',').map(trimmed);
        self.values(name).into_iter().flat_map(members).collect()
    }

    /// RFC 9112 §6.3, and refused wherever it lets us.
    fn framing(&self) -> Result<Framing, No> {
        let (codings, lengths) = (self.list("transfer-encoding"), self.list("content-length"));
        let is_old = self.version_is_old();
        match (&*codings, &*lengths) {
            ([], []) => Ok(Framing::Length(0)),
            ([], [first, ..]) => {
                let number = |digits: &[u8]| {
                    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
                    let zeros = digits.iter().take_while(|&&b| b == b'0').count();
                    is_number.then(|| digits[zeros..].to_vec())
                };
                let length = number(first).ok_or(No::Never)?;
                if lengths.iter().any(|other| number(other).as_ref() != Some(&length)) {
                    return Err(No::Never);
                }
                let value = length.iter().fold(0_usize, |n, b| {
                    n.saturating_mul(10).saturating_add(usize::from(b - b'0'))
                });
                if value > MOST_BODY { Err(No::Never) } else { Ok(Framing::Length(value)) }
            }
            ([one], []) if one.eq_ignore_ascii_case(b"chunked") && !is_old => Ok(Framing::Chunked),
            _ => Err(No::Never),
        }
    }

    fn version_is_old(&self) -> bool {
        self.values(":version") == [b"HTTP/1.0"]
    }
}

/// How the end of a body is found.
enum Framing {
    Length(usize),
    Chunked,
}

/// A line of a head without its end: CRLF, or LF alone (RFC 9112 §2.2).
fn line(bytes: &[u8]) -> Result<(&[u8], &[u8]), No> {
    let end = bytes.iter().position(|&b| b == b'\n').ok_or(No::NotYet)?;
    let line = &bytes[..end];
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.contains(&b'\r') { Err(No::Never) } else { Ok((line, &bytes[end + 1..])) }
}

/// The head at the beginning, and its length.
fn head(stream: &[u8]) -> Result<(Request, usize), No> {
    let too_long = |_: No| {
        let start = stream.iter().position(|b| !b"\r\n".contains(b)).unwrap_or(stream.len());
        let end = stream[start..].iter().position(|&b| b == b'\n').map(|at| start + at + 1);
        let is_long = end.unwrap_or(stream.len()) > MOST_LINE || stream.len() > MOST_HEAD;
        if is_long { No::Never } else { No::NotYet }
    };
    let line = |rest| match line(rest) {
        Err(No::NotYet) => Err(too_long(No::NotYet)),
        other => other,
    };
    let (mut first, mut rest) = line(stream)?;
    while first.is_empty() {
        (first, rest) = line(rest)?; // §2.2: empty lines before it
    }
    if stream.len() - rest.len() > MOST_LINE {
        return Err(No::Never);
    }
    let mut request = request_line(first).ok_or(No::Never)?;
    let mut count = 0;
    loop {
        let (field, after) = line(rest)?;
        rest = after;
        if field.is_empty() {
            break;
        }
        count += 1;
        let colon = field.iter().position(|&b| b == b':').ok_or(No::Never)?;
        let (name, value) = (&field[..colon], trimmed(&field[colon + 1..]));
        let is_fine = is_token(name) && value.iter().all(|&b| is_text(b)) && count <= MOST_FIELDS;
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        if !is_fine {
            return Err(No::Never);
        }
        request.fields.push((name, value.to_vec()));
    }
    let length = stream.len() - rest.len();
    let is_fine = length <= MOST_HEAD && target(&mut request) && rules(&mut request);
    if is_fine { Ok((request, length)) } else { Err(No::Never) }
}

fn request_line(line: &[u8]) -> Option<Request> {
    let parts: Vec<_> = line.split(|&b| b == b' ').collect();
    let [method, target, version @ (b"HTTP/1.1" | b"HTTP/1.0")] = *parts else { return None };
    let target = std::str::from_utf8(target).ok()?;
    let is_fine = is_token(method)
        && !target.is_empty()
        && !target.contains(|c: char| c < '!' || c == '\x7f');
    is_fine.then(|| Request {
        method: String::from_utf8_lossy(method).into_owned(),
        target: target.to_string(),
        fields: vec![(":version".to_string(), version.to_vec())],
        body: Vec::new(),
        keep_alive: false,
        expects_continue: false,
        may_be_refused: !target.bytes().all(is_of_a_uri),
    })
}

/// RFC 9112 §3.2: its form, and whether that goes with the method.
fn target(request: &mut Request) -> bool {
    let target = request.target.clone();
    let lower = target.to_ascii_lowercase();
    let is_tls = lower.starts_with("https://");
    let is_absolute = lower.starts_with("http://") || is_tls;
    let path = target.split('?').next().unwrap_or("");
    let mut encoded = path.split('%').skip(1).map(|rest| rest.as_bytes().iter().take(2));
    let is_encoded = encoded.all(|two| two.len() == 2 && { two }.all(u8::is_ascii_hexdigit));
    if target.contains('#') {
        false
    } else if request.method == "CONNECT" {
        request.may_be_refused = true; // it is never served, whatever it asks for
        !target.starts_with('/') && !is_absolute
    } else if target == "*" {
        request.method == "OPTIONS"
    } else if is_tls || !is_encoded {
        false // §7.4: not without TLS; RFC 3986 §2.1
    } else if is_absolute {
        let authority = target.split("//").nth(1).unwrap_or("").split(['/', '?']).next();
        match authority.map_or(Host::Wrong, |authority| host(authority.as_bytes())) {
            _ if authority == Some("") => false,
            Host::Fine => true,
            Host::Odd => {
                request.may_be_refused = true;
                true
            }
            Host::Wrong => false,
        }
    } else {
        target.starts_with('/')
    }
}

/// Host, Connection, Expect.
fn rules(request: &mut Request) -> bool {
    let is_old = request.version_is_old();
    let hosts = request.values("host");
    let is_known = match *hosts {
        [] => is_old,
        [one] => match host(one) {
            Host::Wrong => false,
            Host::Fine => true,
            Host::Odd => {
                request.may_be_refused = true;
                true
            }
        },
        _ => false,
    };
    let options = request.list("connection");
    let has = |option: &str| options.iter().any(|o| o.eq_ignore_ascii_case(option.as_bytes()));
    let keep_alive = (!is_old || has("keep-alive")) && !has("close");
    let expects = request.values("expect");
    let (some, all) = (
        !expects.is_empty() && !is_old,
        is_old || expects.iter().all(|value| value.eq_ignore_ascii_case(b"100-continue")),
    );
    (request.keep_alive, request.expects_continue) = (keep_alive, some);
    is_known && all
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Host {
    Fine,
    /// The grammar allows it, and no host is called so.
    Odd,
    Wrong,
}

/// `uri-host [ ":" port ]` (RFC 9110 §7.2, RFC 3986 §3.2.2).
fn host(value: &[u8]) -> Host {
    let Ok(text) = std::str::from_utf8(value) else { return Host::Wrong };
    let (name, port) = match text.strip_prefix('[').map(|rest| rest.split_once(']')) {
        Some(None) => return Host::Wrong,
        Some(Some((inside, _))) if inside.starts_with(['v', 'V']) => return Host::Odd,
        Some(Some((inside, port))) if inside.parse::<Ipv6Addr>().is_ok() => ("", port),
        Some(Some(_)) => return Host::Wrong,
        None => text.find(':').map_or((text, ""), |at| text.split_at(at)),
    };
    let mut bytes = name.bytes();
    while let Some(b) = bytes.next() {
        let is_fine = match b {
            b'%' => [bytes.next(), bytes.next()]
                .iter()
                .all(|digit| digit.is_some_and(|b| b.is_ascii_hexdigit())),
            b => b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&b),
        };
        if !is_fine {
            return Host::Wrong;
        }
    }
    let digits = port.strip_prefix(':').unwrap_or(port);
    if digits.len() < port.len() && !digits.bytes().all(|b| b.is_ascii_digit())
        || digits.len() == port.len() && !port.is_empty()
    {
        return Host::Wrong;
    }
    let is_odd = digits.len() > 5 || digits > "65535" && digits.len() == 5 || text.starts_with(':');
    if is_odd { Host::Odd } else { Host::Fine }
}

/// The content of a body, how many bytes it took, and whether its coding is odd.
fn body(framing: Framing, bytes: &[u8]) -> Result<(Vec<u8>, usize, bool), No> {
    let mut rest = match framing {
        Framing::Length(length) => {
            let content = bytes.get(..length).ok_or(No::NotYet)?;
            return Ok((content.to_vec(), length, false));
        }
        Framing::Chunked => bytes,
    };
    // RFC 9112 §7.1: CRLF alone ends a line, digits alone are a size.
    let (mut content, mut coding) = (Vec::new(), 0);
    let is_much = |coding: usize, content: &[u8]| coding > MOST_CODING + 16 * content.len();
    loop {
        // What stands in a line that is not complete may be too much by itself.
        let Ok((line, after)) = strict_line(rest) else {
            return Err(if is_much(coding + rest.len(), &content) {
                No::Never
            } else {
                No::NotYet
            });
        };
        let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        let (size, rest_of_line) = line.split_at(digits);
        let is_fine =
            (1..=16).contains(&digits) && are_extensions(rest_of_line) && line.len() < 1024;
        let size = std::str::from_utf8(size).ok().and_then(|s| usize::from_str_radix(s, 16).ok());
        let (true, Some(size)) = (is_fine, size) else { return Err(No::Never) };
        coding += line.len() + 2;
        if size > MOST_BODY - content.len() || is_much(coding, &content) {
            return Err(No::Never);
        }
        rest = after;
        if size == 0 {
            break;
        }
        content.extend_from_slice(rest.get(..size).ok_or(No::NotYet)?);
        rest = match &rest[size..] {
            [b'\r', b'\n', rest @ ..] => rest,
            [] | [b'\r'] => return Err(No::NotYet),
            _ => return Err(No::Never),
        };
        coding += 2;
    }
    let trailers = rest;
    loop {
        let (line, after) = strict_line(rest)?;
        rest = after;
        if line.is_empty() {
            break;
        }
        let colon = line.iter().position(|&b| b == b':').ok_or(No::Never)?;
        if !is_token(&line[..colon]) || !line[colon..].iter().all(|&b| is_text(b)) {
            return Err(No::Never);
        }
    }
    let is_odd = trailers.len() - rest.len() > MOST_HEAD - 100;
    Ok((content, bytes.len() - rest.len(), is_odd))
}

/// What may stand behind a size (RFC 9112 §7.1.1):
/// `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )`.
fn are_extensions(mut text: &[u8]) -> bool {
    fn unspaced(text: &[u8]) -> &[u8] {
        &text[text.iter().take_while(|b| b" \t".contains(b)).count()..]
    }
    fn after_token(text: &[u8]) -> Option<&[u8]> {
        let end = text.iter().position(|b| !is_token(&[*b])).unwrap_or(text.len());
        (end > 0).then(|| &text[end..])
    }
    fn after_quoted(mut text: &[u8]) -> Option<&[u8]> {
        loop {
            text = match text {
                [b'"', rest @ ..] => return Some(rest),
                [b'\\', b, rest @ ..] if is_text(*b) => rest,
                [b'\\', ..] => return None,
                [b, rest @ ..] if is_text(*b) => rest,
                _ => return None,
            }
        }
    }
    while !text.is_empty() {
        let Some(rest) = unspaced(text).strip_prefix(b";") else { return false };
        let Some(rest) = after_token(unspaced(rest)) else { return false };
        text = rest;
        if let Some(value) = unspaced(rest).strip_prefix(b"=") {
            let value = unspaced(value);
            let after = match value.strip_prefix(b"\"") {
                Some(quoted) => after_quoted(quoted),
                None => after_token(value),
            };
            let Some(rest) = after else { return false };
            text = rest;
        }
    }
    true
}

/// Up to CRLF, with no other CR or LF in it.
fn strict_line(bytes: &[u8]) -> Result<(&[u8], &[u8]), No> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n").ok_or(No::NotYet)?;
    Ok((&bytes[..end], &bytes[end + 2..]))
}

/// Without white space around it, which is space and tab (RFC 9110 §5.6.3).
pub fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// RFC 9110 §5.6.2.
fn is_token(name: &[u8]) -> bool {
    let is_of = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    !name.is_empty() && name.iter().all(is_of)
}

/// RFC 9110 §5.5: visible, space, tab, obs-text.
fn is_text(byte: u8) -> bool {
    byte == b'\t' || byte >= 0x80 || (b' '..=b'~').contains(&byte)
}

/// RFC 3986: unreserved, reserved, and what percent-encodes.
fn is_of_a_uri(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte)
}

/// The content of `/big`: lines of 60 characters.
fn pattern(length: usize) -> Vec<u8> {
    let line = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWX\n";
    line.iter().copied().cycle().take(length).collect()
}
