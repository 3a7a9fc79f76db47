//! `#[derive(Module)]`: the tree walk of a network, from its struct.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Data, DeriveInput, Error, Field, Fields, Ident, LitStr, Member, Result, parse_quote};

/// Implements `mapsto_nn::Module`: every field is visited under its own name, as PyTorch names it.
///
/// Fields may be parameters, buffers, modules, and vectors, options, boxes and tuples of them; numbers, truth values and
/// text are settings and are passed over. On a field:
///
/// - `#[module(name = "weight_g")]` visits it under another name;
/// - `#[module(skip)]` passes over it, whatever its type.
///
/// An enum is a choice between modules: a variant's only unnamed field, which must be a module, takes the enum's own place
/// in the tree; named fields, and several, are visited under their names.
#[proc_macro_derive(Module, attributes(module))]
pub fn derive_module(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = syn::parse_macro_input!(input as DeriveInput);
    expand(&input).unwrap_or_else(Error::into_compile_error).into()
}

fn expand(input: &DeriveInput) -> Result<TokenStream> {
    if let Some(attribute) = input.attrs.iter().find(|attribute| attribute.path().is_ident("module")) {
        return Err(Error::new_spanned(attribute, "`module` settings belong on a field: `name = \"...\"` or `skip`"));
    }
    let body = match &input.data {
        Data::Struct(data) => {
            let visits = visits(&data.fields)?;
            let members = visits.iter().map(|visit| &visit.member);
            let bindings = visits.iter().map(|visit| &visit.binding);
            let calls = visits.iter().map(Visit::call);
            quote! { #(let #bindings = &self.#members;)* #(#calls)* }
        }
        Data::Enum(data) => {
            let mut arms = Vec::new();
            for variant in &data.variants {
                let name = &variant.ident;
                let visits = visits(&variant.fields)?;
                let (members, bindings) = (visits.iter().map(|v| &v.member), visits.iter().map(|v| &v.binding));
                let inner = match (&variant.fields, &visits[..]) {
                    (Fields::Unnamed(fields), [only]) if fields.unnamed.len() == 1 && !only.renamed => {
                        let binding = &only.binding;
                        quote! { ::mapsto_nn::Module::visit(#binding, visitor); }
                    }
                    _ => visits.iter().map(Visit::call).collect(),
                };
                arms.push(quote! { Self::#name { #(#members: #bindings,)* .. } => { #inner } });
            }
            quote! { match self { #(#arms)* } }
        }
        Data::Union(data) => {
            return Err(Error::new(data.union_token.span, "a union cannot be a module: use a struct or an enum"));
        }
    };
    let (name, text) = (&input.ident, input.ident.to_string());
    let mut generics = input.generics.clone();
    for parameter in generics.type_params_mut() {
        parameter.bounds.push(parse_quote!(::mapsto_nn::Field));
    }
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #impl_generics ::mapsto_nn::Module for #name #ty_generics #where_clause {
            fn kind(&self) -> &'static str {
                #text
            }
            #[allow(unused_variables)]
            fn visit(&self, visitor: &mut ::mapsto_nn::Visitor<'_>) {
                #body
            }
        }
    })
}

/// A field that is visited.
struct Visit {
    member: Member,
    binding: Ident,
    name: String,
    renamed: bool,
}

impl Visit {
    fn call(&self) -> TokenStream {
        let (name, binding) = (&self.name, &self.binding);
        quote! { visitor.field(#name, #binding); }
    }
}

fn visits(fields: &Fields) -> Result<Vec<Visit>> {
    let mut visits: Vec<Visit> = Vec::new();
    for (field, member) in fields.iter().zip(fields.members()) {
        let Setting { name, skip } = setting(field)?;
        if skip {
            continue;
        }
        let own = match &member {
            Member::Named(ident) => ident.to_string().trim_start_matches("r#").to_string(),
            Member::Unnamed(index) => index.index.to_string(),
        };
        let binding = quote::format_ident!("field_{own}");
        let (renamed, name) = (name.is_some(), name.map_or(own, |name| name.value()));
        if visits.iter().any(|visit| visit.name == name) {
            return Err(Error::new_spanned(field, format!("two fields are visited as `{name}`: rename or skip one")));
        }
        visits.push(Visit { member, binding, name, renamed });
    }
    Ok(visits)
}

/// What `#[module(...)]` says about a field.
#[derive(Default)]
struct Setting {
    name: Option<LitStr>,
    skip: bool,
}

fn setting(field: &Field) -> Result<Setting> {
    let mut setting = Setting::default();
    let ours = |attribute: &&Attribute| attribute.path().is_ident("module");
    for attribute in field.attrs.iter().filter(ours) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("skip") {
                setting.skip = true;
                return Ok(());
            }
            if !meta.path.is_ident("name") {
                return Err(meta.error("unknown setting: a field takes `name = \"...\"` or `skip`"));
            }
            let name: LitStr = meta.value()?.parse()?;
            if name.value().is_empty() || name.value().contains('.') {
                return Err(Error::new_spanned(name, "a name in the tree is not empty and has no dot"));
            }
            setting.name = Some(name);
            Ok(())
        })?;
        if setting.skip && setting.name.is_some() {
            return Err(Error::new_spanned(attribute, "a field that is skipped has no name in the tree"));
        }
    }
    Ok(setting)
}
