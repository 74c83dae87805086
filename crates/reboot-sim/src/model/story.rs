//! A counterexample as people tell it.

use super::act::Action;
use super::bounds::Bounds;
use super::state::{State, Todo};
use super::{Model, names};
use reboot_core::agent::Timer;
use reboot_core::write::Write;

/// Plays the actions again and says what happens; lines that change nothing are left out.
pub(super) fn tell(bounds: Bounds, actions: &[Action]) -> Vec<String> {
    let mut model = Model::new(bounds);
    let mut state = model.start();
    let mut lines = Vec::new();
    for action in actions {
        let line = model.describe(&state, *action);
        let before = model.slots(&state);
        match model.act(&state, *action) {
            Err(violation) => {
                lines.push(format!("{line} -- {violation}"));
                return lines;
            }
            Ok(next) => state = next,
        }
        let after = model.slots(&state);
        lines.push(match before == after {
            true => line,
            false => format!("{line} -> {after}"),
        });
    }
    lines
}

// === impl Model ===

impl Model {
    /// Who holds, in words.
    fn slots(&self, state: &State) -> String {
        let Some(group) = self.stores.get(state.store).group(names::group()) else {
            return "no group".to_owned();
        };
        let hold = |it: &reboot_core::group::Hold| format!("{} {}", it.node, it.phase);
        let holds: Vec<String> = group.holds.iter().map(hold).collect();
        match holds.is_empty() {
            true => format!("nobody holds, {} may", group.max),
            false => format!("{}; {} may", holds.join(", "), group.max),
        }
    }

    fn describe(&self, state: &State, action: Action) -> String {
        let title = |at: u8| self.title(at.into());
        let todo = |at: u8, place: u8| {
            let item = state.entities[usize::from(at)].todo[usize::from(place)];
            words(self.todos.get(item))
        };
        match action {
            Action::Perform(at, place) => format!("{}: {}", title(at), todo(at, place)),
            Action::Delay(at, place) => {
                format!("{}: {} is under way for long", title(at), todo(at, place))
            }
            Action::Arrive(place) => {
                let item = state.late[usize::from(place)];
                format!("late arrives: {}", words(self.todos.get(item)))
            }
            Action::Fire(at, timer) => format!("{}: {}", title(at), of_timer(timer)),
            Action::Wake(at) => format!("{}: is woken by a change", title(at)),
            Action::Notice(at) => format!("{}: hears that its lease has ended", title(at)),
            Action::Kill(at) => format!("{}: is killed and started again", title(at)),
            Action::LosePower(at) => format!("{}: loses power and boots", title(at)),
            Action::GoDown(at) => format!("{}: goes down", title(at)),
            Action::Boot(at) => format!("{}: boots", title(at)),
            Action::Die(at) => format!("{}: is gone for good", title(at)),
            Action::Pause(at) => format!("{}: stands still", title(at)),
            Action::PauseAfter(at, place) => {
                format!("{}: {}, then stands still", title(at), todo(at, place))
            }
            Action::Resume(at) => format!("{}: goes on after a long time", title(at)),
            Action::Stop(at) => format!("{}: is told to stop", title(at)),
            Action::CannotStart(at, _) => format!("{}: its command cannot start", title(at)),
            Action::Break(name) => format!("an operator breaks the hold of {}", title(name)),
            Action::SetMax(max) => format!("an operator sets max to {max}"),
            Action::Expire(name, _) => format!("a lease of {} ends", title(name)),
            Action::PassDeadline(name) => format!("the deadline of {} passes", title(name)),
            Action::BackUp => "the store is backed up".to_owned(),
            Action::Restore => "the backup is put back".to_owned(),
            Action::GoOn => "an operator knows who is down, and resumes".to_owned(),
        }
    }
}

fn of_timer(timer: Timer) -> &'static str {
    match timer {
        Timer::Pass => "looks again",
        Timer::Retry => "tries again",
        Timer::Patience => "has waited long enough",
        Timer::Session => "opens a session again",
        Timer::Heartbeat => "looks after its hold",
    }
}

fn words(todo: &Todo) -> String {
    match todo {
        Todo::Nothing => "nothing".to_owned(),
        Todo::Look => "looks at the fleet".to_owned(),
        Todo::Save(..) => "writes its notebook to disk".to_owned(),
        Todo::RunHooks(_) => "runs its hooks".to_owned(),
        Todo::Undo(_) => "undoes what hooks changed".to_owned(),
        Todo::Issue => "issues the reboot command".to_owned(),
        Todo::Write(_, write) => of_write(write),
    }
}

fn of_write(write: &Write) -> String {
    match write {
        Write::OpenSession { .. } => "opens a session".to_owned(),
        Write::KeepSession { .. } => "renews its session".to_owned(),
        Write::EndSession { .. } => "ends its session".to_owned(),
        Write::EndInstance { .. } => "ends its former run's session".to_owned(),
        Write::Publish { .. } => "publishes its record".to_owned(),
        Write::Forget { node } => format!("forgets {node}"),
        Write::Undone { .. } => "says what it has undone".to_owned(),
        Write::Order { node, .. } => format!("orders a reboot of {node}"),
        Write::EndOrder { .. } => "ends its order".to_owned(),
        Write::Join { .. } => "joins the line".to_owned(),
        Write::Leave { .. } => "leaves the line".to_owned(),
        Write::Ask { request, .. } => format!("asks for a {}", request.action.verb()),
        Write::PauseFleet { .. } => "pauses the fleet".to_owned(),
    }
}
