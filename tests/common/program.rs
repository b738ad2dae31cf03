//! Programs of others: whether they are there, and what came of running them.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use super::{TestServer, skipped, wait_until};

/// What stands for the home of a program of others: below it nothing can be read or made, not even by root.
const NO_HOME: &str = "/dev/null";
/// All of the environment that such a program is given: where to find itself and its parts.
const KEPT_VARIABLES: [&str; 4] = ["PATH", "LD_LIBRARY_PATH", "PYENV_ROOT", "TMPDIR"];

/// Whether all these programs are installed. If not, the test cannot run; under `CI` that is a failure.
pub(crate) fn installed(programs: &[&str]) -> bool {
    let missing: Vec<_> = programs
        .iter()
        .copied()
        .filter(|program| !is_there(program))
        .collect();
    assert!(
        missing.is_empty() || env::var_os("CI").is_none(),
        "not installed: {missing:?}"
    );
    missing.is_empty() || skipped::note(&missing)
}

fn is_there(program: &str) -> bool {
    skipped::assert_known(program);
    match program {
        "mailhog" | "mailpit-api" | "nodemailer" | "playwright-core" => {
            module_path(program).is_some()
        }
        "mailpit-api-client" | "prometheus-client" => Path::new(&python_with(program)).is_file(),
        "Net::SSLeay" => has_perl_module(program),
        "pymilter" => {
            let mut python = foreign("/usr/bin/python3");
            python.args(["-c", "import Milter"]).stderr(Stdio::null());
            python.status().is_ok_and(|status| status.success())
        }
        "dovecot-lmtpd" => on_path("dovecot") && Path::new("/usr/lib/dovecot/lmtp").is_file(),
        "libscram.so" => has_sasl_module(program),
        "libfaketime.so.1" => faketime().is_some(),
        program => on_path(program),
    }
}

fn on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn has_perl_module(name: &str) -> bool {
    let mut perl = foreign("perl");
    perl.args([&format!("-M{name}"), "-e1"])
        .stderr(Stdio::null());
    perl.status().is_ok_and(|status| status.success())
}

/// The Python that `.ci/programs` makes for a package of PyPI which has no command of its own.
pub(crate) fn python_with(package: &str) -> String {
    format!("/usr/local/lib/{package}/bin/python")
}

/// Whether a module of Cyrus SASL is there, wherever the system keeps them.
fn has_sasl_module(name: &str) -> bool {
    let within = |folder: &Path| folder.join("sasl2").join(name).is_file();
    let libraries = Path::new("/usr/lib");
    let mut folders = libraries.read_dir().into_iter().flatten().flatten();
    within(libraries) || folders.any(|folder| within(&folder.path()))
}

/// What makes the clock of a program run, if it is there: a library to be loaded before all others.
pub(crate) fn faketime() -> Option<String> {
    let folders = Path::new("/usr/lib").read_dir().ok()?;
    let mut paths = folders
        .flatten()
        .map(|folder| folder.path().join("faketime/libfaketime.so.1"));
    let path = paths.find(|path| path.is_file())?;
    path.to_str().map(str::to_owned)
}

/// The `NODE_PATH` by which node finds a module: the one that is set, or where `npm install -g` puts modules.
fn module_path(name: &str) -> Option<OsString> {
    if !on_path("node") {
        return None;
    }
    let finds = |path: &OsStr| {
        let mut node = foreign("node");
        node.args(["-e", "require.resolve(process.argv[1])", name]);
        node.env("NODE_PATH", path).stderr(Stdio::null());
        node.status().is_ok_and(|status| status.success())
    };
    let set = env::var_os("NODE_PATH").unwrap_or_default();
    if finds(&set) {
        return Some(set);
    }
    let root = foreign("npm").args(["root", "-g"]).output().ok()?;
    let root = OsString::from(String::from_utf8(root.stdout).ok()?.trim());
    finds(&root).then_some(root)
}

/// A program of others, which knows nothing of the user: neither a home nor settings in the environment. Tests start
/// such programs in no other way, so that none reads, asks for or changes what is the user's.
pub(crate) fn foreign(name: &str) -> Command {
    let mut command = Command::new(name);
    let kept = KEPT_VARIABLES.map(|name| env::var_os(name).map(|value| (name, value)));
    command
        .env_clear()
        .envs(kept.into_iter().flatten())
        .env("HOME", NO_HOME)
        .env("LC_ALL", "C.UTF-8")
        .current_dir("/");
    command
}

/// A program of others in the folder of the server.
pub(crate) fn program(name: &str, server: &TestServer) -> Command {
    let mut command = foreign(name);
    command.current_dir(server.folder());
    command
}

/// One of the Python scripts beside this file. Of its surroundings it has no more than the modules beside it, and it
/// leaves no compiled ones there.
pub(crate) fn python(script: &str) -> Command {
    let mut command = foreign("python3");
    command.args(["-B", "-E", "-s"]).arg(beside(script));
    command
}

/// The Python that has mailpit-api-client, with one of the scripts beside this file.
pub(crate) fn python_with_mailpit(script: &str) -> Command {
    let mut command = foreign(&python_with("mailpit-api-client"));
    command.args(["-B", "-E", "-s"]).arg(beside(script));
    command
}

/// One of the node scripts of `tests/interop`, with nodemailer.
pub(crate) fn node(script: &str) -> Command {
    node_with("nodemailer", &beside(script))
}

/// A node script that finds this module.
pub(crate) fn node_with(module: &str, script: &Path) -> Command {
    let mut command = foreign("node");
    command.arg(script);
    command.env("NODE_PATH", module_path(module).unwrap_or_default());
    command
}

/// A file beside this one.
pub(crate) fn beside(name: &str) -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    tests.join("interop").join(name)
}

/// Runs a program to its good end, without input. Returns all it printed.
pub(crate) fn run(command: &mut Command) -> String {
    run_with(command, Stdio::null())
}

/// Runs a program to its good end with this file as its input. Returns all it printed.
pub(crate) fn run_with_file(command: &mut Command, input: &Path) -> String {
    run_with(command, File::open(input).unwrap().into())
}

/// Runs a program that is bound to fail, with this file as its input. Returns all it printed.
pub(crate) fn run_in_vain(command: &mut Command, input: &Path) -> String {
    let (status, printed) = run_to_its_end(command, File::open(input).unwrap().into());
    assert!(!status.success(), "{command:?}: {status}\n{printed}");
    printed
}

fn run_with(command: &mut Command, input: Stdio) -> String {
    let (status, printed) = run_to_its_end(command, input);
    assert!(status.success(), "{command:?}: {status}\n{printed}");
    printed
}

fn run_to_its_end(command: &mut Command, input: Stdio) -> (ExitStatus, String) {
    let mut output = tempfile::tempfile().unwrap();
    command
        .stdin(input)
        .stdout(output.try_clone().unwrap())
        .stderr(output.try_clone().unwrap());
    let mut running = Running(command.spawn().unwrap());
    wait_until(&format!("{command:?}"), || {
        running.0.try_wait().unwrap().is_some()
    });
    let status = running.0.wait().unwrap();
    let mut printed = Vec::new();
    output.rewind().unwrap();
    output.read_to_end(&mut printed).unwrap();
    (status, String::from_utf8_lossy(&printed).into_owned())
}

/// A program that does not outlive its test.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail where it has ended already, which is as well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
