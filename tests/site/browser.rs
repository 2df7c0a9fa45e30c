//! A browser without a screen, spoken to over two pipes (<https://chromedevtools.github.io/devtools-protocol/>).

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::program::{Folder, shell};

/// The longest that the browser may take for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A browser with one page.
pub(crate) struct Browser {
    child: Child,
    to: File,
    from: Receiver<Value>,
    calls: u64,
    session: Option<String>,
    /// Everything that it has told without being asked.
    pub(crate) told: Vec<Value>,
    // Its profile and its pipes, gone after it.
    _folder: Folder,
}

impl Browser {
    /// Starts one; where there is none, says so, and gives none.
    pub(crate) fn start() -> Option<Self> {
        let found = shell("command -v chromium || command -v chromium-browser || command -v google-chrome").out;
        let Some(program) = found.lines().next() else {
            println!("skipped: there is no Chromium on this machine (apt-get install chromium)");
            return None;
        };
        let folder = Folder::new();
        let pipe = |name: &str| {
            let path = folder.path().join(name);
            nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
            path
        };
        let (to, from) = (pipe("to"), pipe("from"));
        // What it shows are pages of ours, and its own sandbox does not work for root. It reads commands from 3 and writes answers to 4.
        let flags = "--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run --disable-background-networking \
                     --disable-component-update --disable-breakpad --disable-crash-reporter --remote-debugging-pipe about:blank";
        let script = format!("exec {program} --user-data-dir=\"$3\" {flags} 3<\"$1\" 4>\"$2\"");
        let mut command = Command::new("bash");
        command.args(["-c", &script, "bash"]).args([&to, &from, &folder.path().join("profile")]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let child = command.spawn().unwrap();
        let to = OpenOptions::new().write(true).open(to).unwrap();
        let answers = BufReader::new(File::open(from).unwrap());
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            for message in answers.split(0).map_while(Result::ok) {
                if sender.send(serde_json::from_slice(&message).unwrap()).is_err() {
                    return;
                }
            }
        });
        let mut browser = Self { child, to, from: receiver, calls: 0, session: None, told: Vec::new(), _folder: folder };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attached = browser.call("Target.attachToTarget", json!({ "targetId": target["targetId"], "flatten": true }));
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    /// Calls a method, and gives its result.
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Value {
        self.calls += 1;
        let mut message = json!({ "id": self.calls, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.to.write_all(format!("{message}\0").as_bytes()).unwrap();
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = self.next(until, method);
            if answer["id"] == self.calls {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }

    fn next(&mut self, until: Instant, what: &str) -> Value {
        let wait = until.saturating_duration_since(Instant::now());
        let message = self.from.recv_timeout(wait).unwrap_or_else(|_| panic!("the browser does not answer: {what}"));
        if message["method"].is_string() {
            self.told.push(message.clone());
        }
        message
    }

    /// Waits until it tells of an event, or has told of it.
    fn event(&mut self, method: &str) {
        let until = Instant::now() + PATIENCE;
        while !self.told.iter().any(|told| told["method"] == method) {
            self.next(until, method);
        }
    }

    /// Opens a page, as a file.
    pub(crate) fn open(&mut self, file: &Path, place: &str) {
        // Going to another place of the same page would load nothing.
        self.told.clear();
        self.call("Page.navigate", json!({ "url": "about:blank" }));
        self.event("Page.loadEventFired");
        self.told.clear();
        self.call("Page.navigate", json!({ "url": format!("file://{}{place}", file.display()) }));
        self.event("Page.loadEventFired");
    }

    /// Gives the value of an expression on the page.
    #[track_caller]
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let result = self.call("Runtime.evaluate", json!({ "expression": expression, "returnByValue": true }));
        assert!(result["exceptionDetails"].is_null(), "{expression}: {result}");
        result["result"]["value"].clone()
    }

    /// Waits until an expression is true on the page, which may be about to be another one.
    #[track_caller]
    pub(crate) fn until(&mut self, expression: &str) {
        let until = Instant::now() + Duration::from_secs(10);
        while self.call("Runtime.evaluate", json!({ "expression": expression, "returnByValue": true }))["result"]["value"] != true {
            assert!(Instant::now() < until, "it does not become true: {expression}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Presses a key.
    pub(crate) fn press(&mut self, key: &str) {
        let code = match key {
            "Enter" => 13,
            "Escape" => 27,
            "ArrowUp" => 38,
            "ArrowDown" => 40,
            _ => 0,
        };
        let text = if key.len() == 1 {
            json!(key)
        } else if key == "Enter" {
            json!("\r")
        } else {
            Value::Null
        };
        let mut event = json!({ "type": "keyDown", "key": key, "windowsVirtualKeyCode": code });
        if !text.is_null() {
            event["text"] = text;
        }
        self.call("Input.dispatchKeyEvent", event);
        self.call("Input.dispatchKeyEvent", json!({ "type": "keyUp", "key": key, "windowsVirtualKeyCode": code }));
    }

    /// Types a text, letter by letter.
    pub(crate) fn write(&mut self, text: &str) {
        text.chars().for_each(|letter| self.press(&letter.to_string()));
    }

    /// Takes a screen of a size, in light or dark.
    pub(crate) fn screen(&mut self, width: u32, height: u32, scheme: &str) {
        self.call(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 }),
        );
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// Keeps a picture of the page, where somebody wants to look at it: `FYKE_PICTURES` names the folder.
    pub(crate) fn picture(&mut self, name: &str) {
        let Some(folder) = std::env::var_os("FYKE_PICTURES") else { return };
        let picture = self.call("Page.captureScreenshot", json!({}));
        let decoded =
            Command::new("base64").arg("-d").stdin(Stdio::piped()).stdout(File::create(Path::new(&folder).join(name)).unwrap()).spawn();
        let mut decoded = decoded.unwrap();
        decoded.stdin.take().unwrap().write_all(picture["data"].as_str().unwrap().as_bytes()).unwrap();
        assert!(decoded.wait().unwrap().success());
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // All processes of it are in one group, which this has made.
        let group = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        let _ = killpg(group, Signal::SIGKILL);
        let _ = self.child.wait();
    }
}
