//! What can be tried of a project: the functions of its test files, and the examples of its modules.

use rhai::{Dynamic, EvalAltResult, FnAccess, Scope};

use super::check::{Role, Severity, check_as};
use super::comments::Comments;
use super::value::Value;
use super::{Host, Recipe, declare, fault};
use crate::bind::session::Call;
use crate::model::fence::{Fences, Info, Line};
use crate::model::iptables::Owner;
use crate::model::near::did_you_mean;
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
    /// What is done with it.
    pub way: Way,
}

/// What is done with a case, and what has to come of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// It is run, and has to end well.
    #[default]
    Run,
    /// It is run, and has to fail.
    Fail,
    /// It is checked, and not run.
    Check,
    /// It is left out.
    LeaveOut,
}

impl Way {
    /// The words behind the language of a block: those of rustdoc, where a script can be meant.
    const WORDS: [(&str, Way); 3] = [("ignore", Way::LeaveOut), ("no_run", Way::Check), ("should_fail", Way::Fail)];

    /// Reads the words. Of several, the one counts that does the least.
    fn read(info: Info<'_>) -> Result<Self, Fault> {
        let mut ways = Vec::new();
        for word in info.words() {
            let known = Self::WORDS.iter().find(|(name, _)| *name == word);
            ways.push(known.ok_or_else(|| unknown_word(word))?.1);
        }
        Ok([Way::LeaveOut, Way::Check, Way::Fail].into_iter().find(|way| ways.contains(way)).unwrap_or_default())
    }
}

fn unknown_word(word: &str) -> Fault {
    let names = Way::WORDS.map(|(name, _)| name);
    let hint = match word {
        "should_panic" => "for a script the word is `should_fail`".to_owned(),
        _ => did_you_mean(word, names).unwrap_or_else(|| format!("there are `{}`", names.join("`, `"))),
    };
    Fault::input(format!("heed {word:?} behind `rhai`"), "it is no word that says what to do with an example").hint(hint)
}

impl Case {
    /// Gives the name by which it is chosen and told.
    pub fn title(&self) -> String {
        format!("{}::{}{}", self.file, self.name, if self.is_example { " (example)" } else { "" })
    }

    /// Gives the place where it begins.
    pub fn origin(&self) -> Origin {
        let column = self.text_of_line().map_or(1, column_of_text);
        Origin::at(&self.recipe.file, self.line, column)
    }

    /// Gives the line in which it begins.
    pub fn text_of_line(&self) -> Option<&str> {
        self.recipe.text.lines().nth((self.line as usize).saturating_sub(1))
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
                way: Way::Run,
            }),
            (FnAccess::Private, _) => found.odd.push(odd("it is private")),
            _ => found.odd.push(odd("it has parameters, and a test has none")),
        }
    }
    found.cases.sort_by_key(|case| case.line);
    found.odd.sort_by_key(|fault| fault.origin.as_ref().map(|at| at.at.line));
    Ok(found)
}

/// An example: what its block says of itself, and its lines with their places in the file.
struct Block<'a> {
    info: Info<'a>,
    begin: usize,
    lines: Vec<(usize, String)>,
}

/// Finds the examples in the doc comments of a module. Each keeps its place, so that a fault shows the line of the module.
pub fn examples(recipe: &Recipe) -> Tests {
    let lines: Vec<&str> = recipe.text.lines().collect();
    let (mut found, mut waiting) = (Tests::default(), Vec::new());
    let (mut comments, mut fences) = (Comments::default(), Fences::default());
    let mut block: Option<Block> = None;
    for (at, line) in lines.iter().enumerate() {
        let Some((from, text)) = comments.text(line) else {
            // A block that nothing ends goes to the end of its comment.
            (fences, waiting) = (Fences::default(), waiting.into_iter().chain(block.take()).collect());
            // What stands between a comment and its function is blank.
            if let Some(name) = function(line) {
                numbered(name, &waiting).into_iter().for_each(|(name, block)| found.example(recipe, &lines, &name, block));
            }
            if !line.trim().is_empty() {
                waiting.clear();
            }
            continue;
        };
        match (fences.line(text), &mut block) {
            (Line::Opens(info), _) if info.is("rhai") => block = Some(Block { info, begin: at, lines: Vec::new() }),
            (Line::Code(_), Some(block)) => block.lines.push((at, " ".repeat(line[..from].chars().count()) + text)),
            (Line::Closes, _) => waiting.extend(block.take()),
            _ => {}
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

impl Tests {
    /// Adds an example. One whose words are not understood is run: it may be good, and what is wrong with it is told.
    fn example(&mut self, recipe: &Recipe, lines: &[&str], name: &str, block: &Block) {
        let text = |at: usize| block.lines.iter().find(|(of, _)| *of == at).map_or("", |(_, text)| text.as_str());
        let last = block.lines.last().map_or(0, |(at, _)| at + 1).min(lines.len());
        let text: Vec<&str> = (0..last).map(text).collect();
        // It is no module that it could import itself, and so it has another name.
        let script = Recipe::at(&format!("{} (example)", recipe.file), &text.join("\n"));
        let number = |at: usize| u32::try_from(at + 1).unwrap_or(1);
        let place = |at: usize| Origin::at(&recipe.file, number(at), column_of_text(lines[at]));
        let way = Way::read(block.info).unwrap_or_else(|fault| {
            self.odd.push(fault.at(place(block.begin)));
            Way::Run
        });
        // One that cannot even be read does not fail as it should: run like any other, it says what is wrong.
        let way = if way == Way::Fail && judged(&script).is_err() { Way::Run } else { way };
        let line = block.lines.first().map_or(1, |(at, _)| number(*at));
        self.cases.push(Case { file: recipe.file.clone(), name: name.to_owned(), line, recipe: script, is_example: true, way });
    }
}

/// Gives the first fault of an example that is found without running it.
fn judged(script: &Recipe) -> Result<(), Fault> {
    let first = check_as(script, Role::Test).0.into_iter().find(|finding| finding.severity == Severity::Error);
    first.map_or(Ok(()), |finding| Err(finding.fault))
}

impl Host {
    /// Runs a case. Imports are looked up in the whole project, and modules of the project also by its name, as its users import them. The caller
    /// finishes or rolls back the door.
    pub fn case(&mut self, case: &Case) -> Result<(), Fault> {
        let recipe = &case.recipe;
        if case.way == Way::LeaveOut {
            return Err(Fault::new(Kind::Skipped, format!("run {}", case.name), "its block says `ignore`"));
        }
        self.library.begin_in_project(recipe)?;
        let ast = self.library.compile(&self.engine, &Scope::new(), &recipe.file, &recipe.text)?;
        let owner = Owner::new(&recipe.name, &case.name);
        *self.session.call() = Call { recipe: owner.recipe.to_string(), instance: owner.instance.to_string(), ..Call::default() };
        self.session.door().set_owner(owner);
        self.session.door().gate().declare(self.library.bound_as_tested(recipe, &ast)?);
        if case.way == Way::Check {
            return judged(recipe);
        }
        let (mut scope, tried) = (Scope::new(), format!("run {}", case.name));
        if case.is_example {
            let value = self.evaluate(&mut scope, &ast, &tried)?;
            // One that ends with a comparison states what is so.
            return if value == Value::Bool(false) && case.way == Way::Run { Err(is_not_so(case)) } else { Ok(()) };
        }
        let called = self.engine.call_fn::<Dynamic>(&mut scope, &ast, &case.name, ());
        match called.map_err(|error| *error) {
            Ok(_) | Err(EvalAltResult::Exit(..)) => Ok(()),
            Err(error) => Err(fault::of_running(error, &tried, &self.engine, &self.library)),
        }
    }
}

fn is_not_so(case: &Case) -> Fault {
    Fault::new(Kind::Script, "confirm the example", "it ends with a comparison that is false").at(case.origin())
}

/// Gives the column in which a line begins that is indented.
fn column_of_text(line: &str) -> u32 {
    u32::try_from(line.len() - line.trim_start().len() + 1).unwrap_or(1)
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
        let found = examples(&Recipe::at("m.rhai", text)).cases;
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

    #[test]
    fn examples_are_all_blocks_that_markdown_knows() {
        let text = "/// ~~~rhai\n/// 1\n/// ```\n/// ~~~\n///\n/// - so:\n///   ````rhai\n///   2\n///   ```\n///   ````\n/// ````text\n/// ```rhai\n/// 3\n\
                    /// ```\n/// ````\n///     ```rhai\n///     4\n/// ``` rhai , ignore\n/// 5\nfn f() {}\n//// ```rhai\n//// 6\n//// ```\nfn g() {}\n";
        let found = examples(&Recipe::at("m.rhai", text));
        let told: Vec<_> = found.cases.iter().map(|case| (case.line, case.recipe.text.trim_start(), case.way)).collect();
        assert_eq!(told, [(2, "1\n    ```", Way::Run), (8, "2\n      ```", Way::Run), (19, "5", Way::LeaveOut)]);
        assert!(found.odd.is_empty(), "{:?}", found.odd);
    }

    #[test]
    fn a_comment_may_have_several_lines() {
        let text = "/**\n * Adds one.\n *\n * ```rhai\n * one(1) == 2\n * ```\n */\nfn one(x) { x + 1 }\n\n/**\n    ~~~rhai\n    1;\n      2\n    ~~~\n*/\nfn two() {}\n";
        let found = examples(&Recipe::at("m.rhai", text)).cases;
        let told: Vec<_> = found.iter().map(|case| (case.name.as_str(), case.line, case.recipe.text.trim_start_matches('\n'))).collect();
        assert_eq!(told, [("one", 5, "   one(1) == 2"), ("two", 12, "    1;\n      2")]);
    }

    #[test]
    fn a_block_says_what_is_done_with_it() {
        let of = |info: &str| examples(&Recipe::at("m.rhai", &format!("/// ```{info}\n/// throw 1\n/// ```\nfn f() {{}}\n")));
        let ways = ["rhai", "rhai,ignore", "rhai no_run", "rhai,should_fail", "rhai,should_fail,no_run"].map(|info| of(info).cases[0].way);
        assert_eq!(ways, [Way::Run, Way::LeaveOut, Way::Check, Way::Fail, Way::Check]);
        let told = |info: &str| of(info).odd.iter().map(crate::host::tests::told).collect::<Vec<_>>();
        let why = "m.rhai:1:1: cannot heed WORD behind `rhai`: it is no word that says what to do with an example (HINT)";
        for (word, hint) in [
            ("no-run", "did you mean `no_run`?"),
            ("should_panic", "for a script the word is `should_fail`"),
            ("x", "there are `ignore`, `no_run`, `should_fail`"),
        ] {
            assert_eq!(told(&format!("rhai,{word}")), [why.replace("WORD", &format!("{word:?}")).replace("HINT", hint)]);
        }
        // What cannot be read does not fail as it should.
        let broken = examples(&Recipe::at("m.rhai", "/// ```rhai,should_fail\n/// let = 1\n/// ```\nfn f() {}\n"));
        assert_eq!(broken.cases[0].way, Way::Run);
    }
}
