//! What the syntax tree tells about a file: its functions, its `use`s, its tests.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Block, File, ImplItemFn, Item, ItemFn, ItemUse, Meta, Signature};
use syn::{TraitItemFn, UseTree};

/// A function with a body.
pub(crate) struct Function {
    /// Its name.
    pub(crate) name: String,
    /// The line of its `fn`, from 1.
    pub(crate) line: usize,
    /// Lines from `fn` to the closing brace.
    pub(crate) length: usize,
}

/// The facts of one file.
#[derive(Default)]
pub(crate) struct Outline {
    /// Every function, nested ones too.
    pub(crate) functions: Vec<Function>,
    /// Every leaf of every `use`, with its line.
    pub(crate) uses: Vec<(String, usize)>,
    /// First and last line of what is compiled for tests only.
    pub(crate) test_spans: Vec<(usize, usize)>,
    /// Names of `#[cfg(test)] mod name;`.
    pub(crate) test_modules: Vec<String>,
    /// Whether the file starts with `//!`.
    pub(crate) has_docs: bool,
}

/// Reads the facts of a file off its syntax tree.
pub(crate) fn outline(file: &File) -> Outline {
    let has_docs = file
        .attrs
        .iter()
        .any(|attribute| attribute.path().is_ident("doc"));
    let mut outline = Outline {
        has_docs,
        ..Outline::default()
    };
    outline.visit_file(file);
    outline
}

// === impl Outline ===

impl Outline {
    fn add_function(&mut self, signature: &Signature, block: &Block) {
        let line = signature.fn_token.span.start().line;
        let length = block.brace_token.span.close().end().line - line + 1;
        self.functions.push(Function {
            name: signature.ident.to_string(),
            line,
            length,
        });
    }

    fn add_test(&mut self, span: Span) {
        self.test_spans.push((span.start().line, span.end().line));
    }

    fn add_uses(&mut self, before: &str, tree: &UseTree) {
        let line = tree.span().start().line;
        match tree {
            UseTree::Path(path) => self.add_uses(&format!("{before}{}::", path.ident), &path.tree),
            UseTree::Name(name) => self.uses.push((format!("{before}{}", name.ident), line)),
            UseTree::Rename(rename) => self.uses.push((format!("{before}{}", rename.ident), line)),
            UseTree::Glob(_) => self.uses.push((format!("{before}*"), line)),
            UseTree::Group(group) => {
                group
                    .items
                    .iter()
                    .for_each(|item| self.add_uses(before, item));
            }
        }
    }
}

impl<'a> Visit<'a> for Outline {
    fn visit_item(&mut self, item: &'a Item) {
        if attributes(item).iter().any(is_test) {
            self.add_test(item.span());
            if let Item::Mod(module) = item
                && module.content.is_none()
            {
                self.test_modules.push(module.ident.to_string());
            }
        }
        visit::visit_item(self, item);
    }

    fn visit_item_fn(&mut self, function: &'a ItemFn) {
        self.add_function(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'a ImplItemFn) {
        self.add_function(&function.sig, &function.block);
        if function.attrs.iter().any(is_test) {
            self.add_test(function.span());
        }
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'a TraitItemFn) {
        if let Some(block) = &function.default {
            self.add_function(&function.sig, block);
        }
        visit::visit_trait_item_fn(self, function);
    }

    fn visit_item_use(&mut self, item: &'a ItemUse) {
        self.add_uses("", &item.tree);
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// `#[test]`, `#[tokio::test]`, `#[cfg(test)]` and `#[cfg(all(test, …))]`.
fn is_test(attribute: &Attribute) -> bool {
    let Meta::List(list) = &attribute.meta else {
        return attribute
            .path()
            .segments
            .last()
            .is_some_and(|last| last.ident == "test");
    };
    if !list.path.is_ident("cfg") {
        return list
            .path
            .segments
            .last()
            .is_some_and(|last| last.ident == "test");
    }
    let condition = list.tokens.to_string();
    let mut words = condition.split(|c: char| !c.is_alphanumeric() && c != '_');
    condition == "test" || condition.starts_with("all") && words.any(|word| word == "test")
}
