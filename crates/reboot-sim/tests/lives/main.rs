//! Whole lives of agents, told one by one and struck by faults.

mod command;
mod edges;
mod faults;
mod obstacles;
mod roll;
mod totality;
