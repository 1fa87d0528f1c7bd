//! The chunked transfer coding (RFC 9112 §7.1), taken apart as it arrives.
//!
//! ```text
//!   4;ext=1 CRLF  Wiki CRLF  0 CRLF  Trailer: x CRLF  CRLF
//!   size line     data       last    trailer section
//! ```
//!
//! Strict: a line ends with CRLF and nothing else, a size is hexadecimal digits
//! and nothing else, white space stands where the grammar has it. Two parsers that
//! disagree on where a chunk ends disagree on where the next request begins.

use super::rules::BODY_TOO_LARGE;
use super::{Limits, Refusal};

/// One size line with its extensions may be so long.
const MAX_LINE: usize = 1024;

/// The coding of a body may be this many times as long as its content, and so much
/// longer. Each line is bounded, the number of lines is not: without this a client
/// could send extensions for as long as a body may take, and nothing else.
const OVERHEAD_TIMES: usize = 16;
const OVERHEAD_MORE: usize = 16 * 1024;

const BAD_SIZE: Refusal = Refusal::new(400, "not the size of a chunk\n");
const BAD_EXTENSION: Refusal = Refusal::new(400, "not an extension of a chunk\n");
const BAD_CHUNK: Refusal = Refusal::new(400, "a chunk that does not end where it should\n");
const BAD_TRAILER: Refusal = Refusal::new(400, "not a trailer field\n");
const LONG_LINE: Refusal = Refusal::new(400, "the line of a chunk's size is too long\n");
// 400 and not 413: it is the coding that is too large, the content is not.
const MUCH_CODING: Refusal = Refusal::new(400, "more coding than a body of this size needs\n");
const LONG_TRAILER: Refusal = Refusal::new(431, "the trailer section is too large\n");

/// How far a chunked body has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunks {
    expects: Expects,
    /// Bytes of content so far.
    pub content: usize,
    /// Length of the size line, or of the trailer section, so far.
    line: usize,
    /// Length of all size lines and of the ends of chunks so far.
    overhead: usize,
}

/// What the next byte has to be a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expects {
    /// The size; so far it is this much, in so many digits.
    Size(usize, u8),
    /// Behind the size, in an extension.
    Extension(usize, Part),
    SizeLf(usize),
    /// So many bytes of content, at least one.
    Data(usize),
    DataCr,
    DataLf,
    /// A trailer field, or the end.
    Trailer,
    TrailerName,
    TrailerValue,
    TrailerLf,
    LastLf,
    Nothing,
}

/// A part of an extension: `BWS ";" BWS name [ BWS "=" BWS value ]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// White space; a semicolon has to follow.
    Semicolon,
    /// Behind a semicolon: a name has to follow.
    NoName,
    Name,
    /// White space behind a name.
    Equals,
    /// Behind the sign: a value has to follow.
    NoValue,
    Value,
    /// Between quotation marks, where a backslash takes the next byte's meaning away.
    Quoted,
    Escaped,
    /// Behind the second of them.
    Unquoted,
}

impl Part {
    /// What comes after this byte; `None` if it must not stand here.
    fn next(self, byte: u8) -> Option<Part> {
        use Part::{Equals, Escaped, Name, NoName, NoValue, Quoted, Semicolon, Unquoted, Value};
        Some(match (self, byte) {
            (Semicolon | Name | Equals | Value | Unquoted, b';') => NoName,
            (Name | Equals, b'=') => NoValue,
            (Semicolon | Value | Unquoted, b' ' | b'\t') => Semicolon,
            (Name | Equals, b' ' | b'\t') => Equals,
            (NoName | NoValue, b' ' | b'\t') => self,
            (NoName | Name, b) if is_token(b) => Name,
            (NoValue | Value, b) if is_token(b) => Value,
            (NoValue, b'"') => Quoted,
            (Quoted, b'"') => Unquoted,
            (Quoted, b'\\') => Escaped,
            (Quoted | Escaped, b) if is_text(b) => Quoted,
            _ => return None,
        })
    }

    /// Whether the line may end here.
    fn is_whole(self) -> bool {
        matches!(self, Part::Name | Part::Value | Part::Unquoted)
    }
}

/// What came of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decoded {
    /// So many bytes were understood.
    pub read: usize,
    /// So many bytes of content now stand at the beginning.
    pub written: usize,
}

impl Chunks {
    /// Nothing has come yet.
    pub const fn new() -> Chunks {
        Chunks { expects: Expects::Size(0, 0), content: 0, line: 0, overhead: 0 }
    }

    /// Whether the body is complete.
    pub fn is_complete(&self) -> bool {
        self.expects == Expects::Nothing
    }

    // ANCHOR: decode
    /// Takes the next bytes: content moves to the beginning of `bytes`, the rest
    /// of the coding is gone. Stops behind the body's last byte.
    ///
    /// # Errors
    /// What breaks the coding, or a limit. There is no way on from there.
    pub fn decode(&mut self, bytes: &mut [u8], limits: &Limits) -> Result<Decoded, Refusal> {
        let mut done = Decoded { read: 0, written: 0 };
        while done.read < bytes.len() && !self.is_complete() {
            if let Expects::Data(left) = self.expects {
                let n = left.min(bytes.len() - done.read);
                bytes.copy_within(done.read..done.read + n, done.written);
                done.read += n;
                done.written += n;
                self.content += n;
                self.expects = if n == left { Expects::DataCr } else { Expects::Data(left - n) };
                continue;
            }
            self.expects = self.next(bytes[done.read], limits)?;
            done.read += 1;
        }
        Ok(done)
    }
    // ANCHOR_END: decode

    /// One byte that is not content.
    fn next(&mut self, byte: u8, limits: &Limits) -> Result<Expects, Refusal> {
        use Expects::{
            Data, DataCr, DataLf, Extension, LastLf, Nothing, Size, SizeLf, Trailer, TrailerLf,
            TrailerName, TrailerValue,
        };
        self.line += 1;
        match self.expects {
            Size(..) | Extension(..) if self.line > MAX_LINE => return Err(LONG_LINE),
            Trailer | TrailerName | TrailerValue if self.line > limits.head => {
                return Err(LONG_TRAILER);
            }
            Size(..) | Extension(..) | SizeLf(_) | DataCr | DataLf => {
                self.overhead += 1;
                let most = self.content.saturating_mul(OVERHEAD_TIMES) + OVERHEAD_MORE;
                if self.overhead > most {
                    return Err(MUCH_CODING);
                }
            }
            _ => {}
        }
        Ok(match (self.expects, byte) {
            (Size(size, digits), b) if b.is_ascii_hexdigit() => {
                let digit = (b as char).to_digit(16).unwrap_or(0) as usize;
                // 16 digits fill 64 bits; zeros in front count, too.
                let size = size.checked_mul(16).filter(|_| digits < 16).ok_or(BAD_SIZE)?;
                Size(size + digit, digits + 1)
            }
            (Size(_, 0), _) => return Err(BAD_SIZE),
            (Size(size, _), b'\r') => SizeLf(size),
            (Extension(size, part), b'\r') if part.is_whole() => SizeLf(size),
            (Size(size, _), b' ' | b'\t') => Extension(size, Part::Semicolon),
            (Size(size, _), b';') => Extension(size, Part::NoName),
            (Size(..), _) => return Err(BAD_SIZE),
            (Extension(size, part), b) => Extension(size, part.next(b).ok_or(BAD_EXTENSION)?),
            (SizeLf(size), b'\n') => {
                self.line = 0;
                match size {
                    0 => Trailer,
                    n if n > limits.body.saturating_sub(self.content) => {
                        return Err(BODY_TOO_LARGE);
                    }
                    n => Data(n),
                }
            }
            (SizeLf(_), _) => return Err(BAD_SIZE),
            (DataCr, b'\r') => DataLf,
            (DataLf, b'\n') => {
                self.line = 0;
                Size(0, 0)
            }
            (DataCr | DataLf, _) => return Err(BAD_CHUNK),
            (Trailer, b'\r') => LastLf,
            (Trailer | TrailerName, b) if is_token(b) => TrailerName,
            (TrailerName, b':') => TrailerValue,
            (TrailerValue, b'\r') => TrailerLf,
            (TrailerValue, b) if is_text(b) => TrailerValue,
            (TrailerLf, b'\n') => Trailer,
            (LastLf, b'\n') => Nothing,
            (Trailer | TrailerName | TrailerValue | TrailerLf | LastLf, _) => {
                return Err(BAD_TRAILER);
            }
            (Data(_) | Nothing, _) => unreachable!("decode deals with these"),
        })
    }
}

impl Default for Chunks {
    fn default() -> Chunks {
        Chunks::new()
    }
}

/// What a field value may hold (RFC 9110 §5.5).
fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
