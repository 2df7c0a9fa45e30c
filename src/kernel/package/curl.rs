//! curl(1), to get an archive over HTTP: one address, no redirects, no configuration, within bounds.

use std::time::Duration;

use super::inherited;
use crate::kernel::tool::{Request, Tool};
use crate::model::{Fault, Kind};

const TIMEOUT: Duration = Duration::from_secs(120);

/// Gets at most `most` bytes from an address.
pub fn get(url: &str, most: usize) -> Result<Vec<u8>, Fault> {
    let tried = format!("get {url}");
    let tool = Tool::find("curl")
        .map_err(|fault| fault.hint("archives over HTTP need curl(1): install it, or download the archive and name the file"))?;
    let mut request = Request::new(&tool).timeout(TIMEOUT).output(most).interruptible();
    request = inherited().filter(|(name, _)| *name != "HOME").fold(request, |request, (name, value)| request.env(name, value));
    // `--disable` has to be the first: no file of settings is read.
    let words = ["--disable", "--silent", "--show-error", "--globoff", "--proto", "=http,https", "--max-redirs", "0", "--max-time", "110"];
    request = request.args(words).arg("--max-filesize").arg(most.to_string());
    let output = request.args(["--write-out", "%{stderr}\n%{http_code} %{redirect_url}", "--url", url]).run();
    let output = output.map_err(|fault| Fault { tried: tried.clone(), ..fault })?;
    let said = output.complaint();
    let (before, last) = said.rsplit_once('\n').unwrap_or(("", &said));
    let (status, to) = last.split_once(' ').unwrap_or((last, ""));
    let refused = |why: String| Err(Fault::new(Kind::Refused, &tried, why));
    match status.trim() {
        _ if !output.success() => refused(before.trim().trim_start_matches("curl: ").to_owned()),
        "200" => Ok(output.stdout),
        status if status.starts_with('3') => {
            let fault = Fault::new(Kind::Refused, &tried, format!("it redirects to {to:?}, and a redirect is not followed"));
            Err(fault.hint("give the address that it leads to, if that is meant"))
        }
        status => refused(format!("the server answered {status}")),
    }
}
