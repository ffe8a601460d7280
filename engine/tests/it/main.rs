//! The engine's own behaviour, tried on a journal in memory that fails when it is told to.

mod bounds;
mod counter;
mod failing;
mod feeds;
mod loading;
mod mirror;
mod policies;
mod random;
mod supervision;
mod timers;
mod traces;
mod world;
mod wrapped;
mod writing;
