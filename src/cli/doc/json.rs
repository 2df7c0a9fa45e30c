//! The same as one JSON document; docs/guide/documentation.md says what is in it.

use serde_json::{Value, json};

use crate::cli::packages;
use crate::cli::show::recipe;
use crate::host::book::{Book, Chapter, Comment, PackageDoc, RecipeDoc, Shelf};
use crate::host::reflect::FunctionDoc;
use crate::model::package::Name;

/// Makes the document.
pub(super) fn document(book: &Book) -> Value {
    let left_out = book.left_out.iter().map(|(package, why)| json!({ "package": package, "why": why }));
    json!({
        "fyke": env!("CARGO_PKG_VERSION"),
        "project": book.project,
        "chapters": book.chapters.iter().map(chapter).collect::<Vec<_>>(),
        "packages": book.packages.iter().map(package).collect::<Vec<_>>(),
        "recipes": book.recipes.iter().map(of_recipe).collect::<Vec<_>>(),
        "left_out": left_out.collect::<Vec<_>>(),
        "exit": 0,
    })
}

fn chapter(chapter: &Chapter) -> Value {
    let (kind, package) = match &chapter.shelf {
        Shelf::Everywhere => ("functions", None),
        Shelf::Room => ("room", None),
        Shelf::Standard => ("std", None),
        Shelf::Package(package) => ("module", Some(package.as_str())),
    };
    json!({
        "kind": kind, "name": chapter.name, "package": package, "import": chapter.import(), "summary": chapter.summary, "details": chapter.details,
        "functions": chapter.functions.iter().map(function).collect::<Vec<_>>(),
    })
}

fn function(function: &FunctionDoc) -> Value {
    let comment = Comment::of(function);
    let params = comment.params.iter().map(|param| json!({ "name": param.name, "type": param.of, "doc": param.doc }));
    let (receiver, section) = (super::chapter::receiver(function), |heading| comment.section(heading));
    json!({
        "name": function.name, "signature": function.signature(), "on": receiver, "property": function.property, "returns": function.returns,
        "description": comment.description, "parameters": params.collect::<Vec<_>>(), "changes": section("Changes"), "fails": section("Fails"),
        "example": function.example(), "source": section("Source"), "doc": function.doc,
    })
}

fn package(package: &PackageDoc) -> Value {
    let manifest = &package.manifest;
    json!({
        "name": manifest.name.as_str(), "version": manifest.version.to_string(), "description": manifest.description, "license": manifest.license,
        "authors": manifest.authors, "modules": manifest.modules, "recipes": manifest.recipes, "permissions": manifest.permissions,
        "dependencies": manifest.dependencies.keys().map(Name::as_str).collect::<Vec<_>>(), "direct": package.is_direct,
        "locked": package.entry.as_ref().map(packages::json),
    })
}

fn of_recipe(doc: &RecipeDoc) -> Value {
    let mut value = recipe::json(&doc.word, &doc.interface);
    value["package"] = json!(doc.package.as_ref().map(Name::as_str));
    value
}
