//! What holds for whatever stands in a settings file.

use std::ffi::OsStr;

use virt_hooks::settings::{Settings, parse};

/// Asserts that every problem has a place and a picture that fit on lines of their own, and that what is taken is whole.
pub(crate) fn cost_only_themselves(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    let mut settings = Settings::default();
    let problems = parse(text, &mut settings);
    assert!(problems.len() <= 21, "{}", problems.len());
    for problem in &problems {
        let said = problem.to_string();
        assert!(!said.is_empty() && !said.contains(char::is_control), "{said:?}");
        if let Some(place) = &problem.place {
            assert!(place.line >= 1 && place.column >= 1);
            assert!(place.picture().iter().all(|line| !line.contains('\n')));
        }
    }
    assert!(settings.timeout.as_secs() >= 1);
    for name in ["start_x", "all_gate", "", "\u{fc}"] {
        let of = settings.of_script(OsStr::new(name));
        assert!(of.timeout.as_secs() >= 1);
        _ = settings.is_for(OsStr::new(name), OsStr::new("i-2-10-VM"));
    }
    // Read again it says the same.
    let mut again = Settings::default();
    assert_eq!(parse(text, &mut again).len(), problems.len());
    assert_eq!(again, settings);
}
