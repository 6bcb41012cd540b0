//! `cargo xtask up`, as a developer sees it.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
};
use vestibule_testkit::{bounds::STOP, process::wait_for};

fn up(sets: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule-up"));
    command.args(sets).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts")
}

fn ask(address: &str, line: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(format!("{line}\r\nQUIT\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn a_redis_runs_until_it_is_told_to_stop() {
    let mut running = up(&[]);
    let mut lines = BufReader::new(running.stdout.take().expect("it is piped")).lines().map_while(Result::ok);
    let line = lines.find(|line| line.starts_with("REDIS_URL=")).expect("the line to paste");
    let url = line.strip_suffix(" cargo run --release").expect("a command");
    let address = url.strip_prefix("REDIS_URL=redis://").expect("an address");
    assert!(ask(address, "PING").expect("it listens").contains("PONG"));
    let stop = Command::new("kill").arg(running.id().to_string()).status().expect("there is kill");
    assert!(stop.success());
    let ended = wait_for(STOP, || running.try_wait().expect("a child can be waited for"));
    assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
    assert!(ask(address, "PING").is_err(), "the server outlives the command");
}

#[test]
fn what_is_no_set_starts_nothing() {
    for wrong in [&["mongodb"][..], &["redis", "cluster"]] {
        let output = up(wrong).wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("usage: cargo xtask up"), "{wrong:?}");
    }
}
