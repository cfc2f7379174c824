//! The providers of a download.

use std::collections::{HashSet, VecDeque};

use gaiwan_endpoint::Connection;

use super::plan::Task;
use crate::proto::Bitfield;

/// A provider that can be asked.
#[derive(Clone)]
pub(super) struct Member {
    /// The number that its user knows it by.
    pub(super) number: u32,
    pub(super) connection: Connection,
    /// What it tells that it has of a shared blob; nothing in it is proof.
    pub(super) has: Option<Bitfield>,
    /// Whether it has sent bytes that were right.
    pub(super) moved: bool,
    /// Tasks for which it had not all.
    pub(super) lacks: HashSet<u64>,
}

impl Member {
    fn can(&self, task: &Task) -> bool {
        !self.lacks.contains(&task.id) && self.has.as_ref().is_none_or(|has| task.is_in(has))
    }
}

/// Who is free, and what waits.
#[derive(Default)]
pub(super) struct Crew {
    free: VecDeque<Member>,
    tasks: VecDeque<Task>,
    next_task: u64,
}

impl Crew {
    pub(super) fn add_task(&mut self, what: super::plan::What) {
        let id = self.next_task;
        self.next_task += 1;
        self.tasks.push_back(Task { id, what });
    }

    /// A task that was not finished comes first.
    pub(super) fn give_back(&mut self, task: Task) {
        self.tasks.push_front(task);
    }

    pub(super) fn add(&mut self, member: Member) {
        self.free.push_back(member);
    }

    pub(super) fn is_done(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Whether somebody free could do it.
    pub(super) fn can(&self, task: &Task) -> bool {
        self.free.iter().any(|member| member.can(task))
    }

    /// Somebody free of a kind, who stays free.
    pub(super) fn free(&self, wanted: impl Fn(&Member) -> bool) -> Option<&Member> {
        self.free.iter().find(|member| wanted(member))
    }

    /// Somebody free who can do what another is at already.
    pub(super) fn second(&mut self, task: &Task) -> Option<Member> {
        let at = self.free.iter().position(|member| member.can(task))?;
        self.free.remove(at)
    }

    /// Somebody free and something that they can do.
    pub(super) fn pair(&mut self) -> Option<(Member, Task)> {
        for at in 0..self.free.len() {
            let member = &self.free[at];
            if let Some(task) = self.tasks.iter().position(|task| member.can(task)) {
                return self.free.remove(at).zip(self.tasks.remove(task));
            }
        }
        None
    }
}
