//! A reader of answers as strict as a client can be: written from RFC 9110 and RFC
//! 9112, sharing nothing with the server. What it does not like, it panics about.

use super::requests::{Asked, trimmed};

/// Everything that came back on one connection.
#[derive(Debug, PartialEq, Eq)]
pub struct Answers {
    /// The answers proper, in order.
    pub finals: Vec<Answer>,
    /// Of each `100 Continue`: how many answers proper came before it.
    pub continues: Vec<usize>,
}

/// One answer proper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Its bytes up to the empty line, but with no Date.
    head: Vec<u8>,
    /// Names in lower case; without Date.
    fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of the field of that name. None comes twice.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, value)| &**value)
    }

    /// It is the last one (RFC 9112 §9.6).
    pub fn says_close(&self) -> bool {
        self.field("connection") == Some("close")
    }

    /// It is equal but for what it says of the connection.
    pub fn says_the_same(&self, other: &Answer) -> bool {
        let others = |answer: &Answer| {
            let fields = answer.fields.iter().filter(|(name, _)| name != "connection").cloned();
            fields.collect::<Vec<_>>()
        };
        (self.status, &self.body) == (other.status, &other.body) && others(self) == others(other)
    }
}

impl Answers {
    /// Reads all of it. `asked` says to which methods the answers are; beyond its
    /// end, to none that changes how an answer is read. If the stream is not whole,
    /// its end may be missing.
    pub fn read(mut bytes: &[u8], is_whole: bool, asked: &[Asked]) -> Answers {
        let mut answers = Answers { finals: Vec::new(), continues: Vec::new() };
        while !bytes.is_empty() {
            assert!(!answers.ends_with_close(), "bytes behind the last answer: {}", shown(bytes));
            if bytes.starts_with(b"HTTP/1.1 1") {
                let rest = bytes.strip_prefix(b"HTTP/1.1 100 Continue\r\n\r\n");
                bytes = rest.unwrap_or_else(|| panic!("an odd interim answer: {}", shown(bytes)));
                answers.continues.push(answers.finals.len());
                continue;
            }
            let asked = asked.get(answers.finals.len()).copied().unwrap_or(Asked::Other);
            let Some((answer, rest)) = read_one(bytes, asked) else {
                assert!(!is_whole, "half an answer: {}", shown(bytes));
                break;
            };
            answers.finals.push(answer);
            bytes = rest;
        }
        answers
    }

    pub fn ends_with_close(&self) -> bool {
        self.finals.last().is_some_and(Answer::says_close)
    }
}

/// `None` if it is not complete.
fn read_one(bytes: &[u8], asked: Asked) -> Option<(Answer, &[u8])> {
    let (line, mut rest) = line(bytes)?;
    let status = status(line).unwrap_or_else(|| panic!("no status line: {}", shown(line)));
    let mut head = [line, b"\r\n"].concat();
    let (mut fields, mut date) = (Vec::new(), None);
    loop {
        let (line, after) = self::line(rest)?;
        rest = after;
        if line.is_empty() {
            break;
        }
        let (name, value) = field(line).unwrap_or_else(|| panic!("no field: {}", shown(line)));
        if name == "date" {
            assert!(date.replace(value).is_none(), "two Dates");
            continue;
        }
        head.extend_from_slice(line);
        head.extend_from_slice(b"\r\n");
        assert!(fields.iter().all(|(other, _)| *other != name), "{name} comes twice");
        fields.push((name, value));
    }
    let mut answer = Answer { status, head, fields, body: Vec::new() };
    assert!(date.is_some_and(|date| is_date(&date)), "no Date in {answer:?}");
    assert!(answer.field("transfer-encoding").is_none(), "a coding nobody asked for: {answer:?}");
    assert!(
        matches!(answer.field("connection"), Some("close" | "keep-alive")),
        "what becomes of the connection? {answer:?}"
    );
    let length = answer.field("content-length").map(|digits| {
        let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let length: Option<usize> = digits.parse().ok().filter(|_| is_number);
        length.unwrap_or_else(|| panic!("no Content-Length: {answer:?}"))
    });
    // RFC 9112 §6.3, RFC 9110 §8.6.
    let length = match (status, asked) {
        (204, _) => {
            assert_eq!(length, None, "204 has no length");
            0
        }
        (304, _) => 0,
        (_, Asked::Head) => 0,
        _ => length.unwrap_or_else(|| panic!("where does it end? {answer:?}")),
    };
    let (body, rest) = rest.split_at_checked(length)?;
    answer.body = body.to_vec();
    answer.check_its_fields(asked);
    Some((answer, rest))
}

impl Answer {
    /// What RFC 9110 demands of single statuses.
    fn check_its_fields(&self, asked: Asked) {
        let has = |name: &str| self.field(name).is_some_and(|value| !value.is_empty());
        match self.status {
            405 => assert!(has("allow"), "§15.5.6: {self:?}"),
            301 => assert!(has("location"), "§15.4.2: {self:?}"),
            416 => assert!(has("content-range"), "§14.4: {self:?}"),
            206 => {
                let range = self.field("content-range").and_then(|r| r.strip_prefix("bytes "));
                let parts = range.and_then(|r| r.split_once('/')).and_then(|(part, whole)| {
                    let (first, last) = part.split_once('-')?;
                    let n = |text: &str| text.parse::<usize>().ok();
                    Some((n(first)?, n(last)?, n(whole)?))
                });
                let (first, last, whole) = parts.unwrap_or_else(|| panic!("§14.4: {self:?}"));
                assert!(first <= last && last < whole, "§14.4: {self:?}");
                assert!(asked == Asked::Other && self.body.len() == last + 1 - first, "{self:?}");
            }
            _ => {}
        }
        if !matches!(self.status, 204 | 304) {
            assert!(has("content-type") && has("content-length"), "{self:?}");
        }
    }
}

/// Up to CRLF.
fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    Some((&bytes[..end], &bytes[end + 2..]))
}

/// `HTTP/1.1 SP 3DIGIT SP [ reason-phrase ]` (RFC 9112 §4).
fn status(line: &[u8]) -> Option<u16> {
    let rest = line.strip_prefix(b"HTTP/1.1 ")?;
    let (code, reason) = rest.split_at_checked(3)?;
    let reason = reason.strip_prefix(b" ")?;
    let is_fine = code.iter().all(u8::is_ascii_digit) && reason.iter().all(|&b| is_text(b));
    let code: u16 = std::str::from_utf8(code).ok()?.parse().ok()?;
    (is_fine && (200..600).contains(&code)).then_some(code)
}

/// `token ":" OWS value OWS` (RFC 9112 §5, RFC 9110 §5.5).
fn field(line: &[u8]) -> Option<(String, String)> {
    let colon = line.iter().position(|&b| b == b':')?;
    let (name, value) = (&line[..colon], trimmed(&line[colon + 1..]));
    let is_token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    if name.is_empty() || !name.iter().all(is_token) || !value.iter().all(|&b| is_text(b)) {
        return None;
    }
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    Some((text(name)?.to_ascii_lowercase(), text(value)?))
}

/// What a server should send in a value: nothing but visible ASCII, space and tab.
fn is_text(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~')
}

/// IMF-fixdate (RFC 9110 §5.6.7), by its shape.
fn is_date(date: &str) -> bool {
    let shape = b"Aaa, 00 Aaa 0000 00:00:00 GMT";
    let fits = |(is, shape): (&u8, &u8)| match shape {
        b'0' => is.is_ascii_digit(),
        b'A' => is.is_ascii_uppercase(),
        b'a' => is.is_ascii_lowercase(),
        other => is == other,
    };
    date.len() == shape.len() && date.as_bytes().iter().zip(shape).all(fits)
}

fn shown(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(300)].escape_ascii().to_string()
}
