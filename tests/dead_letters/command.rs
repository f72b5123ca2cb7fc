//! `tidemill dead-letters requeue`.

use crate::letters;
use crate::requeue::mendable;
use crate::support::{Collected, SECOND, clock_at, run_to};
use crate::with_letters;

#[test]
fn the_command_has_a_running_program_put_letters_back() {
    let (clock, folder) = (clock_at(100), tempfile::tempdir().unwrap());
    let seen = Collected::new();
    let url = "memory:requeue-command";
    let (context, feed) = mendable(
        with_letters(url, &clock, folder.path()).checkpoint_interval(SECOND),
        false,
        &seen,
    );
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let admin = format!("http://{}", listener.local_addr().unwrap());
    let options = tidemill::admin::Options {
        access: std::sync::Arc::default(),
        tls: tidemill::admin::TlsSlot::default(),
        limits: tidemill::source::HttpLimits::default(),
        on_stop: Box::new(|_| {}),
        on_reload: None,
    };
    let server = tidemill::admin::AdminServer::start(listener, context.clone(), options).unwrap();
    let requeue = |more: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_tidemill"))
            .args(["dead-letters", "requeue", "--admin", &admin])
            .args(more)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(requeue(&[]), "no dead letters\n");
    feed.send(&clock, &["1", "x", "2"]);
    run_to(&context, &clock, 101);
    assert_eq!(requeue(&["--batch", "100000"]), "no dead letters\n");
    let told = requeue(&["--batch", "101000"]);
    assert!(
        told.contains("batch 101000 ms: 1 record put back"),
        "{told}"
    );
    assert!(told.contains("3 letters can't be put back"), "{told}");
    // It fails again, and that letter is of another batch.
    run_to(&context, &clock, 102);
    let again = &letters(folder.path())[&102];
    assert_eq!(
        (again.len(), again[0].source_text.as_deref()),
        (1, Some("x"))
    );
    let told = requeue(&["--json"]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["batches"][0]["records"], 0);
    assert_eq!(told["batches"][0]["already"], serde_json::json!(["lines"]));
    assert_eq!(told["batches"][1]["records"], 1);
    server.shut_down();
    context.stop(false).unwrap();
}
