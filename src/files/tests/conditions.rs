use super::*;

#[test]
fn what_the_client_has_is_not_sent_again() {
    let folder = Folder::new();
    let first = folder.get("/ten.txt");
    let (tag, date) = (field(&first, "ETag").unwrap(), field(&first, "Last-Modified").unwrap());
    let before = "Sun, 06 Nov 1994 08:49:37 GMT";
    for (fields, status) in [
        (format!("If-None-Match: {tag}\r\n"), 304),
        (format!("If-None-Match: W/{tag}\r\n"), 304),
        (format!("If-None-Match: \"x\", {tag}\r\n"), 304),
        ("If-None-Match: *\r\n".to_string(), 304),
        ("If-None-Match: \"x\"\r\n".to_string(), 200),
        (format!("If-Modified-Since: {date}\r\n"), 304),
        (format!("If-Modified-Since: {before}\r\n"), 200),
        ("If-Modified-Since: yesterday\r\n".to_string(), 200),
        // The tag decides where both are there.
        (format!("If-None-Match: \"x\"\r\nIf-Modified-Since: {date}\r\n"), 200),
        (format!("If-Match: {tag}\r\n"), 200),
        (format!("If-Match: W/{tag}\r\n"), 412),
        ("If-Match: \"x\"\r\n".to_string(), 412),
        ("If-Match: *\r\n".to_string(), 200),
        // Several lines are one list (RFC 9110 §5.3).
        ("If-Match: \"x\"\r\nIf-Match: \"y\"\r\n".to_string(), 412),
        (format!("If-Match: \"x\"\r\nIf-Match: {tag}\r\n"), 200),
        (format!("If-None-Match: \"x\"\r\nIf-None-Match: {tag}\r\n"), 304),
        // Of a date there is one, or none that counts (§13.1.3).
        (format!("If-Modified-Since: {date}\r\nIf-Modified-Since: {date}\r\n"), 200),
        // Both sides of §13.2.2: what was changed is not known either.
        (format!("If-Match: \"x\"\r\nIf-None-Match: {tag}\r\n"), 412),
        (format!("If-Match: {tag}\r\nIf-None-Match: {tag}\r\n"), 304),
        (format!("If-Unmodified-Since: {date}\r\n"), 200),
        (format!("If-Unmodified-Since: {before}\r\n"), 412),
    ] {
        let response = folder.ask("GET /ten.txt", &fields);
        assert_eq!(response.status, status, "{fields}");
        assert_eq!(field(&response, "ETag"), Some(tag), "{fields}");
        if status == 304 {
            assert!(response.body.is_empty());
        }
    }
    fs::write(folder.0.join("site/ten.txt"), "0123456789a").unwrap();
    let changed = folder.ask("GET /ten.txt", &format!("If-None-Match: {tag}\r\n"));
    assert_eq!(changed.status, 200);
}

#[test]
fn parts_are_sent() {
    let folder = Folder::new();
    let tag = field(&folder.get("/ten.txt"), "ETag").unwrap().to_string();
    for (range, status, text, said) in [
        ("bytes=0-0", 206, "0", Some("bytes 0-0/10")),
        ("bytes=2-4", 206, "234", Some("bytes 2-4/10")),
        ("bytes=2-", 206, "23456789", Some("bytes 2-9/10")),
        ("bytes=-3", 206, "789", Some("bytes 7-9/10")),
        ("bytes=-99", 206, "0123456789", Some("bytes 0-9/10")),
        ("bytes=5-99999999999999999999999", 206, "56789", Some("bytes 5-9/10")),
        ("Bytes = 1-1", 206, "1", Some("bytes 1-1/10")),
        ("bytes=10-", 416, "", Some("bytes */10")),
        ("bytes=99999999999999999999999-", 416, "", Some("bytes */10")),
        ("bytes=-0", 416, "", Some("bytes */10")),
        // Not understood, so ignored (RFC 9110 §14.2).
        ("bytes=4-2", 200, "0123456789", None),
        ("bytes=0-1,3-4", 200, "0123456789", None),
        ("bytes=a-", 200, "0123456789", None),
        ("bytes=1-x", 200, "0123456789", None),
        ("bytes=-", 200, "0123456789", None),
        ("lines=1-2", 200, "0123456789", None),
        ("", 200, "0123456789", None),
    ] {
        let response = folder.ask("GET /ten.txt", &format!("Range: {range}\r\n"));
        assert_eq!(response.status, status, "{range}");
        assert_eq!(field(&response, "Content-Range"), said, "{range}");
        if status != 416 {
            assert_eq!(content(&response), text, "{range}");
        }
    }
    let date = field(&folder.get("/ten.txt"), "Last-Modified").unwrap().to_string();
    for (condition, status) in [
        (tag.clone(), 206),
        (date.clone(), 206),
        ("\"other\"".into(), 200),
        (format!("W/{tag}"), 200), // RFC 9110 §13.1.5: the comparison is strong
        ("Sun, 06 Nov 1994 08:49:37 GMT".into(), 200),
        ("yesterday".into(), 200),
        // More than one is none that could be met.
        (format!("\"other\"\r\nIf-Range: {tag}"), 200),
        (format!("{date}\r\nIf-Range: {date}"), 200),
    ] {
        let fields = format!("Range: bytes=0-0\r\nIf-Range: {condition}\r\n");
        assert_eq!(folder.ask("GET /ten.txt", &fields).status, status, "{condition}");
    }
    assert_eq!(folder.ask("HEAD /ten.txt", "Range: bytes=0-0\r\n").status, 200);
    let two = folder.ask("GET /ten.txt", "Range: bytes=0-0\r\nRange: bytes=5-5\r\n");
    assert_eq!(two.status, 200, "two ranges, in whichever way, are answered with everything");
    // RFC 9110 §14.1.2: a suffix can be satisfied, and is the whole of nothing.
    for (range, status) in [("0-", 416), ("-0", 416), ("-1", 200), ("0-0", 416)] {
        let response = folder.ask("GET /empty", &format!("Range: bytes={range}\r\n"));
        assert_eq!(response.status, status, "{range}");
    }
}

/// Written in place, with the same length and its old time set again, as some
/// tools do that want to build the same thing twice.
#[test]
fn a_tag_does_not_come_back_with_a_time_that_is_set_back() {
    let folder = Folder::new();
    let path = folder.0.join("site/ten.txt");
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    let before = folder.get("/ten.txt");
    let tag = field(&before, "ETag").unwrap();
    fs::write(&path, "9876543210").unwrap();
    File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    let after = folder.ask("GET /ten.txt", &format!("If-None-Match: {tag}\r\n"));
    assert_eq!((after.status, &*content(&after)), (200, "9876543210"));
}

/// A second change within the same tick of the file system's clock has the same
/// time: until then a tag promises little, and is another one afterwards.
#[test]
fn what_has_just_changed_has_a_weak_tag() {
    let folder = Folder::new();
    let metadata = fs::metadata(folder.0.join("site/ten.txt")).unwrap();
    let changed = UNIX_EPOCH + Duration::from_secs(metadata.ctime() as u64);
    let (new, old) = (State::of(&metadata, changed), State::of(&metadata, changed + HOUR));
    assert!(new.tag.starts_with("W/\"") && old.tag.starts_with('"'), "{new:?} {old:?}");
    let judge = |state: &State, fields: &str| {
        let text = format!("GET / HTTP/1.1\r\nHost: x\r\nRange: bytes=0-0\r\n{fields}\r\n\r\n");
        let Parsed::Complete(head) = Head::parse(text.as_bytes(), &Limits::DEFAULT) else {
            panic!("not a request: {text:?}");
        };
        state.judge(&Request::new(head, text.as_bytes(), b""))
    };
    let date = HttpDate::from(old.modified);
    let (part, new_tag) = (Verdict::Part(0, 0), &*new.tag);
    assert_eq!(judge(&new, &format!("If-None-Match: {new_tag}")), Verdict::NotModified);
    assert_eq!(judge(&new, &format!("If-Match: {new_tag}")), Verdict::Changed);
    assert_eq!(judge(&new, &format!("If-Range: {new_tag}")), Verdict::Whole);
    assert_eq!(judge(&new, &format!("If-Range: {date}")), Verdict::Whole);
    assert_eq!(judge(&old, &format!("If-None-Match: {new_tag}")), part);
    assert_eq!(judge(&old, &format!("If-Range: {date}")), part);
}

/// As far as the file system can note it, and not all of them can.
#[test]
fn a_time_out_of_this_world_does_no_harm() {
    let folder = Folder::new();
    let file = File::options().write(true).open(folder.0.join("site/ten.txt")).unwrap();
    let most = UNIX_EPOCH + Duration::from_secs(i64::MAX as u64);
    let year_million = UNIX_EPOCH + Duration::from_secs(31_600_000_000_000);
    for time in [most, year_million, UNIX_EPOCH - HOUR] {
        let is_set = file.set_modified(time).is_ok();
        let response = folder.get("/ten.txt");
        let date = httpdate::parse_http_date(field(&response, "Last-Modified").unwrap()).unwrap();
        assert!(response.status == 200 && date <= SystemTime::now() + HOUR, "{time:?} {is_set}");
    }
}
