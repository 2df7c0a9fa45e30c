//! The one place where a native function learns who calls it, and where its faults become errors of the script.

use rhai::{Dynamic, EvalAltResult, Map, NativeCallContext};

use super::Session;
use crate::model::{Fault, Kind, Origin};
use crate::transaction::Door;

/// What a native function returns.
pub type Answer<T> = Result<T, Box<EvalAltResult>>;

/// The key under which a caught error keeps the whole fault, so that throwing it again loses nothing.
pub const FAULT: &str = "fault";

/// Gives the session of the run that a native function is called in.
pub fn session(ctx: &NativeCallContext) -> Answer<Session> {
    let found = ctx.tag().and_then(|tag| tag.read_lock::<Session>().map(|s| s.clone()));
    found
        .ok_or_else(|| error(Fault::new(Kind::System, "call this function", "the engine was made without a session"), rhai::Position::NONE))
}

/// Gives the door to the kernel, as whoever calls may use it. It is for this call alone.
pub fn door(ctx: &NativeCallContext) -> Answer<Door> {
    Ok(session(ctx)?.door_of(ctx))
}

/// Gives the script position of a native call.
///
/// The calls around it are not known here: Rhai keeps them only with a debugger registered, which copies every argument of every call.
/// The host adds them when the fault leaves the script.
pub fn origin(ctx: &NativeCallContext) -> Origin {
    let position = session(ctx).ok().and_then(|s| s.position(ctx.call_position()));
    position.map_or_else(|| Origin::at("(native)", 1, 1), Origin::of)
}

/// Turns a fault into an error that scripts can catch as a map with `kind`, `message`, `hint`, `file`, `line` and so on.
pub fn fault(ctx: &NativeCallContext, fault: Fault) -> Box<EvalAltResult> {
    let fault = if fault.origin.is_some() { fault } else { fault.at(origin(ctx)) };
    error(fault, ctx.call_position())
}

/// Gives a script what was found, or the fault as [`fault`] makes it.
pub fn answer<T>(ctx: &NativeCallContext, result: Result<T, Fault>) -> Answer<T> {
    result.map_err(|found| fault(ctx, found))
}

/// Turns a fault into an error at a position of Rhai; [`fault`] is the usual way.
///
/// What a plan cannot know is not catchable: whatever a script did next would be a guess.
pub fn error(fault: Fault, at: rhai::Position) -> Box<EvalAltResult> {
    if fault.kind == Kind::Unknown {
        return Box::new(EvalAltResult::ErrorTerminated(Dynamic::from(fault), at));
    }
    let mut map = Map::new();
    map.insert("kind".into(), fault.kind.name().into());
    map.insert("message".into(), fault.to_string().into());
    map.insert("tried".into(), fault.tried.clone().into());
    map.insert("why".into(), fault.why.clone().into());
    map.insert("hint".into(), fault.hint.clone().map_or(Dynamic::UNIT, Dynamic::from));
    if let Some(origin) = &fault.origin {
        map.insert("file".into(), origin.at.file.to_string().into());
        map.insert("line".into(), i64::from(origin.at.line).into());
        map.insert("column".into(), i64::from(origin.at.column).into());
    }
    map.insert(FAULT.into(), Dynamic::from(fault));
    Box::new(EvalAltResult::ErrorRuntime(Dynamic::from_map(map), at))
}

/// Finds the fault in a thrown or caught value.
pub fn fault_in(value: &Dynamic) -> Option<Fault> {
    let map = value.read_lock::<Map>()?;
    map.get(FAULT)?.read_lock::<Fault>().map(|f| f.clone())
}
