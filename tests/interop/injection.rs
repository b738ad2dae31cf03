//! command-injection-tester, which looks for commands that cross over from the clear into TLS (CVE-2011-0411).

use crate::common::program::{installed, program, run};
use crate::secured::{Site, Way};

const TESTER: &str = "command-injection-tester";

#[test]
fn finds_no_command_that_crosses_into_tls() {
    if !installed(&[TESTER]) {
        return;
    }
    let mut site = Site::start(Way::ByStartTls);
    // It takes what has come within so many seconds for all that comes.
    let found = run(program(TESTER, &site.server)
        .args(["--smtp", "--smtp-port", site.server.port()])
        .args(["--nocolor", "--timeout", "1", "127.0.0.1"]));
    // First it looks whether the server is in order, then it puts a command behind STARTTLS.
    for said in [
        "Sanity test done",
        "C: STARTTLS\n",
        "S: 554 5.5.1 Error: you talk before it is your turn",
        "TLS handshake failed - Server probably closed the connection!",
    ] {
        assert!(found.contains(said), "{said} is not in {found}");
    }
    site.server.stop();
}
