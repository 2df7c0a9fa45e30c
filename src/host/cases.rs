//! What can be tried of a project: the functions of its test files, and the examples of its modules.

use rhai::{Dynamic, EvalAltResult, FnAccess, Scope};

use super::value::Value;
use super::{Host, Recipe, declare, fault};
use crate::bind::session::Call;
use crate::model::iptables::Owner;
use crate::model::{Fault, Kind, Origin};

/// How the names of files with tests end.
pub const TESTS: &str = "_test.rhai";
/// How the names of functions that are tests begin.
const PREFIX: &str = "test_";

/// One thing that is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The file that it is from, as it was found.
    pub file: String,
    /// The function; of an example, the one that it is about.
    pub name: String,
    /// The line in which it begins.
    pub line: u32,
    /// What is run.
    pub recipe: Recipe,
    /// Whether it is an example: a script of its own, and no function.
    pub is_example: bool,
}

impl Case {
    /// Gives the name by which it is chosen and told.
    pub fn title(&self) -> String {
        format!("{}::{}{}", self.file, self.name, if self.is_example { " (example)" } else { "" })
    }
}

/// The tests of a file.
#[derive(Clone, Debug, Default)]
pub struct Tests {
    /// Those that can be run, in the order of the file.
    pub cases: Vec<Case>,
    /// Functions that look like tests, and why they are none.
    pub odd: Vec<Fault>,
}

/// Finds the tests of a file, without running anything.
pub fn tests(recipe: &Recipe) -> Result<Tests, Fault> {
    let ast = declare::parser().compile(&recipe.text).map_err(|error| fault::of_parsing(&recipe.file, &recipe.text, &error))?;
    let mut found = Tests::default();
    for (_, access, name, arity, function) in ast.shared_lib().iter_script_fn_info().filter(|(_, _, name, ..)| name.starts_with(PREFIX)) {
        let at = fault::in_file(&recipe.file, function.body.start_position());
        let odd = |why: &str| Fault::input(format!("run {name} as a test"), why).at(at.clone());
        match (access, arity) {
            _ if function.this_type.is_some() => found.odd.push(odd("it is called on a value, its `this`, and a test is called on none")),
            (FnAccess::Public, 0) => found.cases.push(Case {
                file: recipe.file.clone(),
                name: name.to_owned(),
                line: at.at.line,
                recipe: recipe.clone(),
                is_example: false,
            }),
            (FnAccess::Private, _) => found.odd.push(odd("it is private")),
            _ => found.odd.push(odd("it has parameters, and a test has none")),
        }
    }
    found.cases.sort_by_key(|case| case.line);
    found.odd.sort_by_key(|fault| fault.origin.as_ref().map(|at| at.at.line));
    Ok(found)
}

/// The lines of an example, with their places in the file.
type Block = Vec<(usize, String)>;

/// Finds the examples in the doc comments of a module. Each keeps its place, so that a fault shows the line of the module.
pub fn examples(recipe: &Recipe) -> Vec<Case> {
    let lines: Vec<&str> = recipe.text.lines().collect();
    let (mut found, mut block, mut waiting): (Vec<Case>, Option<Block>, Vec<Block>) = Default::default();
    for (at, line) in lines.iter().enumerate() {
        let Some(doc) = line.trim_start().strip_prefix("///") else {
            block = None;
            // What stands between a comment and its function is blank.
            if let Some(name) = function(line) {
                found.extend(numbered(name, &waiting).into_iter().map(|(name, block)| example(recipe, &lines, &name, block)));
            }
            if !line.trim().is_empty() {
                waiting.clear();
            }
            continue;
        };
        match (&mut block, doc.trim()) {
            (None, "```rhai") => block = Some(Vec::new()),
            (Some(_), "```") => waiting.extend(block.take()),
            (Some(block), _) => block.push((at, line.replacen("///", "   ", 1))),
            (None, _) => {}
        }
    }
    found
}

/// Gives the name of the function that begins in a line.
fn function(line: &str) -> Option<&str> {
    let rest = line.trim_start();
    let rest = rest.strip_prefix("private ").map_or(rest, str::trim_start).strip_prefix("fn ")?;
    rest.split('(').next().map(str::trim)
}

/// Names the examples of a function: where there are several, by their numbers.
fn numbered<'a, T>(name: &str, blocks: &'a [T]) -> Vec<(String, &'a T)> {
    let name = |number: usize| if blocks.len() > 1 { format!("{name} {number}") } else { name.to_owned() };
    (1..).map(name).zip(blocks).collect()
}

fn example(recipe: &Recipe, lines: &[&str], name: &str, block: &[(usize, String)]) -> Case {
    let text = |at: usize| block.iter().find(|(of, _)| *of == at).map_or("", |(_, text)| text.as_str());
    let last = block.last().map_or(0, |(at, _)| at + 1).min(lines.len());
    let text: Vec<&str> = (0..last).map(text).collect();
    Case {
        file: recipe.file.clone(),
        name: name.to_owned(),
        line: block.first().map_or(1, |(at, _)| u32::try_from(at + 1).unwrap_or(1)),
        // It is no module that it could import itself, and so it has another name.
        recipe: Recipe::at(&format!("{} (example)", recipe.file), &text.join("\n")),
        is_example: true,
    }
}

impl Host {
    /// Runs a case. Imports are looked up in the whole project, and modules of the project also by its name, as its users import them. The caller
    /// finishes or rolls back the door.
    pub fn case(&mut self, case: &Case) -> Result<(), Fault> {
        let recipe = &case.recipe;
        self.library.begin_in_project(recipe)?;
        let ast = self.library.compile(&self.engine, &Scope::new(), &recipe.file, &recipe.text)?;
        let owner = Owner::new(&recipe.name, &case.name);
        *self.session.call() = Call { recipe: owner.recipe.to_string(), instance: owner.instance.to_string(), ..Call::default() };
        self.session.door().set_owner(owner);
        self.session.door().gate().declare(self.library.bound_as_tested(recipe, &ast)?);
        let (mut scope, tried) = (Scope::new(), format!("run {}", case.name));
        if case.is_example {
            let value = self.evaluate(&mut scope, &ast, &tried)?;
            // One that ends with a comparison states what is so.
            return if value == Value::Bool(false) { Err(is_not_so(case)) } else { Ok(()) };
        }
        let called = self.engine.call_fn::<Dynamic>(&mut scope, &ast, &case.name, ());
        match called.map_err(|error| *error) {
            Ok(_) | Err(EvalAltResult::Exit(..)) => Ok(()),
            Err(error) => Err(fault::of_running(error, &tried, &self.engine, &self.library)),
        }
    }
}

fn is_not_so(case: &Case) -> Fault {
    let why = "it ends with a comparison that is false";
    let begin = case.recipe.text.lines().nth((case.line as usize).saturating_sub(1)).map_or(0, |line| line.len() - line.trim_start().len());
    let column = u32::try_from(begin + 1).unwrap_or(1);
    Fault::new(Kind::Script, "confirm the example", why).at(Origin::at(&case.recipe.file, case.line, column))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_the_functions_without_parameters_that_are_called_so() {
        let text = "fn test_b() {}\nfn helper() {}\n\nfn test_a() { 1 }\nfn test_with(x) { x }\nprivate fn test_own() {}\nfn \"T\".test_of() {}\nfn int.test_this() { this }\n";
        let found = tests(&Recipe::at("x_test.rhai", text)).unwrap();
        let told: Vec<_> = found.cases.iter().map(|case| (case.title(), case.line)).collect();
        assert_eq!(told, [("x_test.rhai::test_b".to_owned(), 1), ("x_test.rhai::test_a".to_owned(), 4)]);
        let odd: Vec<_> = found.odd.iter().map(ToString::to_string).collect();
        assert_eq!(
            odd,
            [
                "cannot run test_with as a test: it has parameters, and a test has none",
                "cannot run test_own as a test: it is private",
                "cannot run test_of as a test: it is called on a value, its `this`, and a test is called on none",
                "cannot run test_this as a test: it is called on a value, its `this`, and a test is called on none",
            ]
        );
        let fault = tests(&Recipe::at("x_test.rhai", "fn test_a() {\n  let = 1;\n}\n")).unwrap_err();
        assert_eq!(fault.origin.unwrap().at.to_string(), "x_test.rhai:2:7");
    }

    #[test]
    fn examples_keep_their_places() {
        let text = "//! A module.\n/// Doubles.\n///\n/// ```rhai\n/// import \"m\" as m;\n/// m::two(1) == 2\n/// ```\n/// ```text\n/// not this\n/// ```\nfn two(x) { \
                    2 * x }\n\n/// ```rhai\n/// 1\n/// ```\n/// ```rhai\n/// 2\n/// ```\nfn three() {}\n/// ```rhai\n/// 3\n/// ```\nlet x = 1;\n";
        let found = examples(&Recipe::at("m.rhai", text));
        let told: Vec<_> = found.iter().map(|case| (case.title(), case.line, case.recipe.text.trim_start_matches('\n'))).collect();
        assert_eq!(
            told,
            [
                ("m.rhai::two (example)".to_owned(), 5, "    import \"m\" as m;\n    m::two(1) == 2"),
                ("m.rhai::three 1 (example)".to_owned(), 14, "    1"),
                ("m.rhai::three 2 (example)".to_owned(), 17, "    2"),
            ]
        );
        assert_eq!(found[0].recipe.text.lines().position(|line| line.contains("two")), Some(5));
    }
}
