//! Plays one scenario against one stage, in the terminal.

fn main() {
    for s in common::lab::scenarios::ALL {
        for stage in common::lab::Stage::ALL {
            if let common::lab::scenarios::Expected::No(_) = s.expected_of(stage) {
                continue;
            }
            let exe = std::env::current_exe().unwrap().parent().unwrap().join(stage.name());
            let t = std::time::Instant::now();
            let play = common::lab::Play::new(stage, exe);
            let r = (s.run)(&play);
            let ok = match (&r, s.expected_of(stage)) {
                (
                    Ok(common::lab::scenarios::Seen::Works(_)),
                    common::lab::scenarios::Expected::Works,
                ) => "ok",
                (
                    Ok(common::lab::scenarios::Seen::Fails(h, _)),
                    common::lab::scenarios::Expected::Fails(e),
                ) if *h == e => "ok",
                _ => "XX",
            };
            println!(
                "{ok} {} {} {:?} {}",
                s.name,
                stage.short(),
                t.elapsed(),
                match r {
                    Ok(s) => s.to_string(),
                    Err(e) => e.to_string(),
                }
            );
        }
    }
}
