use super::*;

const STAGE: Stage = Stage { name: "x", about: "", has_workers: true, is_complete: true };

fn asked(args: &[&str]) -> Result<Options, String> {
    match parse(&STAGE, args.iter().map(OsString::from))? {
        Asked::Serve(options) => Ok(options),
        Asked::Print(text) => Err(text),
    }
}

#[test]
fn the_port_wins_over_that_of_the_address_in_any_order() {
    for args in [["--addr", "[::1]:1", "--port", "2"], ["--port", "2", "--addr", "[::1]:1"]] {
        assert_eq!(asked(&args).unwrap().address, "[::1]:2".parse().unwrap());
    }
}

#[test]
fn localhost_is_the_one_name_known() {
    assert_eq!(asked(&["--addr", "localhost:1"]).unwrap().address, "127.0.0.1:1".parse().unwrap());
    assert!(asked(&["--addr", "example.org:1"]).is_err());
}

#[test]
fn an_address_without_a_port_gets_advice() {
    assert!(asked(&["--addr", "::1"]).unwrap_err().contains("did you mean [::1]:8080?"));
    assert!(asked(&["--addr", "10.0.0.1"]).unwrap_err().contains("did you mean 10.0.0.1:8080?"));
}

#[test]
fn seconds_may_be_fractions_and_nothing_odd() {
    assert_eq!(
        asked(&["--drain-timeout", "0.5"]).unwrap().drain_timeout,
        Duration::from_millis(500)
    );
    for odd in ["-1", "NaN", "inf", "", "1e9"] {
        assert!(asked(&["--drain-timeout", odd]).is_err(), "{odd}");
    }
}
