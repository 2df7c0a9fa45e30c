//! `fyke publish`: the archive of a package.

use serde_json::json;

use super::args::Publish;
use super::show::{Screen, fields};
use crate::host::package::publish::publish;
use crate::host::package::{Project, shown};
use crate::model::Fault;

/// Checks a package, writes its archive, and says what others need to know of it.
pub(crate) fn run(screen: &Screen, words: &Publish) -> Result<u8, Fault> {
    let project = Project::present()?;
    let made = publish(&project, words.tag)?;
    let (archive, sums) = (shown(&made.archive), shown(&made.sums));
    if screen.json {
        let commit = made.commit.as_ref().map(|(revision, tagged)| json!({ "revision": revision.as_str(), "tagged": tagged }));
        let document = json!({
            "package": project.manifest.title(), "archive": archive, "sha256": made.checksum.hex(), "content": made.content.to_string(),
            "sums": sums, "signed": made.is_signed, "tag": made.tag, "commit": commit, "exit": 0,
        });
        return screen.document(&document).map(|()| 0);
    }
    let (content, checksum) = (made.content.to_string(), made.checksum.hex());
    let rows = [("archive", archive.as_str()), ("sha256", &checksum), ("content", &content), ("files", &sums)];
    screen.print(&fields(rows, |name| screen.paint.bold(name), screen.bound()))?;
    if !made.is_signed {
        screen.note(&format!("it is not signed; to sign it: minisign -Sm {sums} -x fyke.minisig, and publish again"));
    }
    match &made.commit {
        Some((_, true)) => screen.note(&format!("the tag {} stands for it: git push origin {}", made.tag, made.tag)),
        Some((_, false)) => screen.note(&format!("others find it by its tag: fyke publish --tag, then git push origin {}", made.tag)),
        None => {}
    }
    Ok(0)
}
