//! What a run has measured, and its JSON: every round as it was, so that anybody
//! can work out other figures from it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// The figures of one measurement, by the name of the metric (`metric::ALL`).
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub block: usize,
    pub round: usize,
    pub values: BTreeMap<String, f64>,
}

/// One side in one scenario: what was measured, and why nothing more was.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cell {
    pub scenario: String,
    pub side: String,
    pub samples: Vec<Sample>,
    /// Why there is no figure, or a remark on those there are.
    pub note: Option<String>,
}

/// A whole run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Run {
    /// The machine, the versions, the settings: name and value.
    pub machine: Vec<(String, String)>,
    /// What each side answers to `GET /`, as it was read.
    pub answers: Vec<(String, String)>,
    pub cells: Vec<Cell>,
    /// What else a reader should know.
    pub notes: Vec<String>,
}

impl Run {
    /// The cell of a side in a scenario.
    pub fn cell(&self, scenario: &str, side: &str) -> Option<&Cell> {
        self.cells.iter().find(|c| c.scenario == scenario && c.side == side)
    }

    /// The same, made if it is not there.
    pub fn cell_mut(&mut self, scenario: &str, side: &str) -> &mut Cell {
        let found = self.cells.iter().position(|c| c.scenario == scenario && c.side == side);
        let place = found.unwrap_or_else(|| {
            let (scenario, side) = (scenario.to_string(), side.to_string());
            self.cells.push(Cell { scenario, side, ..Cell::default() });
            self.cells.len() - 1
        });
        &mut self.cells[place]
    }

    /// The samples of a side in a scenario; none if it was not measured.
    pub fn samples(&self, scenario: &str, side: &str) -> &[Sample] {
        self.cell(scenario, side).map_or(&[], |cell| &cell.samples)
    }

    /// The scenarios, in the order in which they were measured.
    pub fn scenarios(&self) -> Vec<&str> {
        in_order(self.cells.iter().map(|c| c.scenario.as_str()))
    }

    /// As JSON.
    pub fn to_json(&self) -> Value {
        let pairs = |pairs: &[(String, String)]| -> Vec<Value> {
            pairs.iter().map(|(name, value)| json!([name, value])).collect()
        };
        let cells: Vec<Value> = self.cells.iter().map(cell_to_json).collect();
        json!({
            "ladder": 1,
            "machine": pairs(&self.machine),
            "answers": pairs(&self.answers),
            "cells": cells,
            "notes": self.notes,
        })
    }

    /// From its JSON.
    ///
    /// # Errors
    /// What is missing or of another kind.
    pub fn from_json(text: &str) -> Result<Run, String> {
        let value: Value = serde_json::from_str(text).map_err(|e| format!("not JSON: {e}"))?;
        if value["ladder"] != 1 {
            return Err("not written by the ladder (it has no \"ladder\": 1)".into());
        }
        let strings = |value: &Value| value.as_str().map(str::to_string);
        Ok(Run {
            machine: list(&value, "machine", pair)?,
            answers: list(&value, "answers", pair)?,
            cells: list(&value, "cells", cell_from_json)?,
            notes: list(&value, "notes", strings)?,
        })
    }
}

fn in_order<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = Vec::new();
    names.for_each(|name| {
        if !seen.contains(&name) {
            seen.push(name);
        }
    });
    seen
}

fn list<T>(
    value: &Value,
    name: &str,
    each: impl Fn(&Value) -> Option<T>,
) -> Result<Vec<T>, String> {
    let items = value[name].as_array().ok_or_else(|| format!("\"{name}\" is no list"))?;
    let read = |item| each(item).ok_or_else(|| format!("\"{name}\" has an odd item: {item}"));
    items.iter().map(read).collect()
}

fn pair(value: &Value) -> Option<(String, String)> {
    Some((value[0].as_str()?.to_string(), value[1].as_str()?.to_string()))
}

fn cell_to_json(cell: &Cell) -> Value {
    let rounds: Vec<Value> = cell
        .samples
        .iter()
        .map(|s| json!({ "block": s.block, "round": s.round, "values": s.values }))
        .collect();
    json!({ "scenario": cell.scenario, "side": cell.side, "rounds": rounds, "note": cell.note })
}

fn cell_from_json(value: &Value) -> Option<Cell> {
    let samples = value["rounds"].as_array()?.iter().map(sample_from_json).collect::<Option<_>>();
    Some(Cell {
        scenario: value["scenario"].as_str()?.to_string(),
        side: value["side"].as_str()?.to_string(),
        samples: samples?,
        note: value["note"].as_str().map(str::to_string),
    })
}

fn sample_from_json(value: &Value) -> Option<Sample> {
    let values = value["values"].as_object()?.iter();
    Some(Sample {
        block: value["block"].as_u64()? as usize,
        round: value["round"].as_u64()? as usize,
        values: values.map(|(k, v)| Some((k.clone(), v.as_f64()?))).collect::<Option<_>>()?,
    })
}
