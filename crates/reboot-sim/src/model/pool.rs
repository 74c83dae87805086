//! Everything large is kept once and named by a number: states of the model stay small, and
//! what was worked out once is never worked out again.

use super::names::{Labels, Shape, shape};
use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;
use std::rc::Rc;

/// Values, each kept once.
pub(super) struct Pool<T> {
    values: Vec<Rc<T>>,
    ids: HashMap<Rc<T>, u32>,
    labels: Vec<Labels>,
    shapes: Vec<Shape>,
}

// === impl Pool ===

impl<T: Debug + Eq + Hash> Pool<T> {
    /// An empty pool, whose number 0 is this value.
    pub(super) fn new(nothing: T) -> Self {
        let mut pool = Self {
            values: Vec::new(),
            ids: HashMap::new(),
            labels: Vec::new(),
            shapes: Vec::new(),
        };
        pool.id(nothing);
        pool
    }

    pub(super) fn id(&mut self, value: T) -> u32 {
        if let Some(id) = self.ids.get(&value) {
            return *id;
        }
        let id = self.values.len() as u32;
        self.shapes.push(shape(&value));
        self.labels.push(Labels::of(&value));
        let value = Rc::new(value);
        self.values.push(Rc::clone(&value));
        self.ids.insert(value, id);
        id
    }

    pub(super) fn get(&self, id: u32) -> &Rc<T> {
        &self.values[id as usize]
    }

    /// The labels it shows.
    pub(super) fn labels(&self, id: u32) -> &Labels {
        &self.labels[id as usize]
    }

    /// What is left of it without names and labels.
    pub(super) fn shape(&self, id: u32) -> &Shape {
        &self.shapes[id as usize]
    }
}
