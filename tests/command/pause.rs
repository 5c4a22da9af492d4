//! `virt-hooks pause` and `resume`: the off switch.

use testbed::{Host, host};

use crate::assert_looks_like;

fn with_a_gate() -> Host {
    let host = host!();
    host.bash("start_gate", "exit 1");
    host.bash("all_a", "touch /tmp/ran");
    host.settings("[[script]]\nname = \"start_gate\"\nonFailure = \"abort\"\n");
    host
}

#[test]
fn no_script_runs_and_none_refuses_until_it_is_resumed() {
    let host = with_a_gate();
    assert_eq!(host.event("start").run().code, Some(1));
    host.shell("rm /tmp/ran /var/log/libvirt/qemu-hook.log").run();

    let finished = host.command(["pause"]).run();
    assert_eq!(finished.code, Some(0));
    assert_looks_like("pause.txt", &finished.stdout);
    for operation in ["prepare", "start", "release"] {
        let event = host.event(operation).run();
        assert_eq!((event.code, event.stdout.as_str()), (Some(0), ""));
    }
    assert!(!host.path("/tmp/ran").exists());
    let log = host.log();
    log.assert_only_records();
    let said: Vec<String> = log.of("-");
    let again = "to have scripts run again: virt-hooks resume";
    assert_eq!(
        said,
        [
            format!("paused until resumed; not run: all_a; {again}"),
            format!("paused until resumed; not run: all_a, start_gate; {again}"),
            format!("paused until resumed; not run: all_a; {again}"),
        ]
    );

    let finished = host.command(["resume"]).run();
    assert_eq!(finished.stdout, "resumed: scripts run again, from the next event on.\n");
    assert_eq!(host.event("start").run().code, Some(1));
    assert_eq!(host.command(["resume"]).run().stdout, "There was no pause.\n");
}

#[test]
fn an_event_without_scripts_logs_it_too() {
    let host = host!();
    host.command(["pause"]).run();
    assert_eq!(host.event("started").run().code, Some(0));
    host.log().assert_says("WARN", "-", "paused until resumed; no script would run at this event");
}

#[test]
fn it_ends_by_itself_when_its_time_is_over() {
    let host = with_a_gate();
    let said = host.command(["pause", "--for", "2s"]).run().stdout;
    assert!(said.starts_with("paused until 20"), "{said}");
    assert_eq!(host.event("start").run().code, Some(0));
    assert!(host.log().of("-").iter().any(|message| message.starts_with("paused until 20")));
    testbed::eventually("it is over", || host.event("start").run().code == Some(1));
    assert_eq!(host.command(["check", "--json"]).run().stdout, "[]\n");
}

#[test]
fn a_later_pause_takes_an_earlier_one_s_place() {
    let host = with_a_gate();
    host.command(["pause", "--for", "1h"]).run();
    host.command(["pause"]).run();
    assert_eq!(host.event("start").run().code, Some(0));
    assert!(host.log().text.contains("paused until resumed"), "{}", host.log().text);
}

#[test]
fn what_is_no_time_is_refused() {
    let host = host!();
    for wrong in ["1", "soon", "-1h", "0s", "1h ago", "99999999999y", ""] {
        let finished = host.command(["pause", &format!("--for={wrong}")]).run();
        assert_eq!(finished.code, Some(2), "{wrong}");
        assert!(finished.stderr.contains("--for takes a time such as 90s, 15m, 1h30m or 1d"), "{}", finished.stderr);
    }
    for right in ["90s", "15m", "1h30m", "1d", "1h 30m", "2 hours"] {
        assert_eq!(host.command(["pause", "--for", right]).run().code, Some(0), "{right}");
    }
}

#[test]
fn what_is_kept_in_its_place_by_others_is_a_pause_only_if_it_is_root_s() {
    let Some(host) = host!().or_leave_out() else { return };
    host.bash("start_a", ":");
    host.command(["pause"]).run();
    host.shell("chown -R 4711 /run/virt-hooks/pause").run();
    assert_eq!(host.event("start").run().code, Some(0));
    host.log().assert_says("INFO", "start_a", "exited with 0");
}

#[test]
fn rubbish_in_its_place_is_a_pause_all_the_same() {
    let host = host!();
    host.bash("start_a", ":");
    host.command(["pause"]).run();
    host.shell("echo rubbish > /run/virt-hooks/pause/until").run();
    assert_eq!(host.event("start").run().code, Some(0));
    host.log().assert_says("WARN", "-", "paused until resumed; not run: start_a");
}

#[test]
fn what_can_t_be_read_in_its_place_keeps_nothing_waiting() {
    for plant in ["mkfifo until", "ln -s /dev/zero until", "mkdir until", "ln -s /no/such until"] {
        let host = host!();
        host.bash("start_a", ":");
        host.command(["pause"]).run();
        let line = format!("cd /run/virt-hooks/pause && rm until && {plant}");
        assert_eq!(host.shell(&line).run().code, Some(0));
        let event = host.event("start").run();
        assert_eq!(event.code, Some(0), "{plant}");
        assert!(event.took < std::time::Duration::from_secs(10), "{plant}: {:?}", event.took);
        host.log().assert_says("INFO", "start_a", "exited with 0");
    }
}

#[test]
fn where_it_can_t_be_kept_it_is_said() {
    let host = host!();
    host.shell("rm -rf /run/virt-hooks; touch /run/virt-hooks").run();
    let finished = host.command(["pause"]).run();
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""));
    assert!(
        finished.stderr.starts_with("virt-hooks: scripts can't be paused: the folder /run/virt-hooks"),
        "{}",
        finished.stderr
    );
}

#[test]
fn on_a_terminal_the_same_is_said() {
    let host = host!();
    assert_looks_like("pause.txt", &host.command(["pause"]).on_a_terminal(80).stdout);
    assert_looks_like("resume.txt", &host.command(["resume"]).on_a_terminal(80).stdout);
    assert_looks_like("resume-again.txt", &host.command(["resume"]).run().stdout);
}
