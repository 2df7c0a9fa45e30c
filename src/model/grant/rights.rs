//! Lists of permissions: as they are written, and as they are in force.

use serde::{Deserialize, Serialize};

use super::{Permission, Power};

/// What is allowed and what is denied: the `[permissions]` of a package or of a project, and what a project grants to a package. The order means
/// nothing, and a denial always wins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Grants {
    /// What is allowed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<Permission>,
    /// What is denied, also where it is allowed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<Permission>,
}

impl Grants {
    /// Gives what is allowed here and was not allowed there: what an update asks for that is new.
    pub fn beyond<'a>(&'a self, before: &Grants) -> Vec<&'a Permission> {
        let is_new = |permission: &&Permission| {
            let was_allowed = before.allow.iter().any(|had| had.covers(permission));
            // What was denied before and is not denied any more is new, too.
            let was_denied =
                before.deny.iter().any(|denied| denied.overlaps(permission) && !self.deny.iter().any(|now| now.covers(denied)));
            !was_allowed || was_denied
        };
        self.allow.iter().filter(is_new).collect()
    }
}

/// Rights in force: everything, or a list; and what is denied all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    everything: bool,
    grants: Grants,
}

impl Rights {
    /// Makes the rights of who may do all.
    pub fn all() -> Self {
        Self { everything: true, grants: Grants::default() }
    }

    /// Makes rights of what is granted: nothing else is allowed.
    pub fn of(grants: Grants) -> Self {
        Self { everything: false, grants }
    }

    /// Allows more. Who may do all is held to what is named from here on.
    #[must_use]
    pub fn allow(mut self, more: impl IntoIterator<Item = Permission>) -> Self {
        let before = self.grants.allow.len();
        self.grants.allow.extend(more);
        self.everything &= self.grants.allow.len() == before;
        self
    }

    /// Denies.
    #[must_use]
    pub fn deny(mut self, more: impl IntoIterator<Item = Permission>) -> Self {
        self.grants.deny.extend(more);
        self
    }

    /// Adds what else the objects that are named are called. An allowed program is not known by the name of what a link leads to: many programs are one
    /// file, which does what it is called (`busybox`).
    #[must_use]
    pub fn known_as(mut self, others: &dyn Fn(&Permission) -> Vec<Permission>) -> Self {
        let Grants { allow, deny } = &mut self.grants;
        let more: Vec<Permission> = allow
            .iter()
            .flat_map(|allowed| {
                let named = others(allowed);
                let most = if allowed.power == Power::Exec { 1 } else { named.len() };
                named.into_iter().take(most)
            })
            .collect();
        allow.extend(more);
        let more: Vec<Permission> = deny.iter().flat_map(others).collect();
        deny.extend(more);
        self
    }

    /// Tells whether there is nothing that they do not permit.
    pub fn is_all(&self) -> bool {
        self.everything && self.grants.deny.is_empty()
    }

    /// Tells whether something may be done.
    pub fn permit(&self, asked: &Permission) -> bool {
        !self.denies(asked) && (self.everything || self.grants.allow.iter().any(|allowed| allowed.covers(asked)))
    }

    /// Tells whether something, or a part of it, is denied by name: no grant helps.
    pub fn denies(&self, asked: &Permission) -> bool {
        self.denial(asked).is_some()
    }

    /// Gives the denial that stands against something.
    pub fn denial(&self, asked: &Permission) -> Option<&Permission> {
        self.grants.deny.iter().find(|denied| denied.overlaps(asked))
    }

    /// Gives what they were made of.
    pub fn grants(&self) -> &Grants {
        &self.grants
    }
}
