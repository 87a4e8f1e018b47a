//! The tree of a message's HTML, and of MJML. It is built only of what every reader of HTML understands in the same way: elements are closed in
//! their order, no table holds text between its cells, no block stands in a paragraph. So nothing moves, and no work grows.
//! Built by read.rs, changed by inline.rs, written by emit.rs and text.rs.

/// A node's number.
pub(super) type Id = u32;

/// A node.
#[derive(Debug)]
pub(super) enum Node {
    /// An element.
    Element(Element),
    /// Text as it stands in the source, with its references.
    Text(Box<str>),
    /// What is written as it is: a DOCTYPE, a comment for Outlook, the text of a style.
    Raw(Box<str>),
    /// A tag, by its number.
    Tag(u32),
}

/// An element.
#[derive(Debug)]
pub(super) struct Element {
    /// In small letters.
    pub(super) name: Box<str>,
    /// Names in small letters and values as they stand in the source, with marks.
    pub(super) attributes: Vec<(Box<str>, Option<Box<str>>)>,
    /// What is in it.
    pub(super) children: Vec<Id>,
    /// The line on which it begins.
    pub(super) line: u32,
}

impl Element {
    /// An attribute's value.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| **known == *name).and_then(|(_, value)| value.as_deref())
    }
}

/// The tree.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    parents: Vec<Option<Id>>,
    /// The top nodes.
    pub(super) top: Vec<Id>,
    /// How many elements there are.
    pub(super) elements: usize,
}

impl Tree {
    /// A node.
    pub(super) fn node(&self, id: Id) -> &Node {
        &self.nodes[id as usize]
    }

    /// An element; nothing for other nodes.
    pub(super) fn element(&self, id: Id) -> Option<&Element> {
        match self.node(id) {
            Node::Element(element) => Some(element),
            _ => None,
        }
    }

    /// The same, to change it.
    pub(super) fn element_mut(&mut self, id: Id) -> Option<&mut Element> {
        match &mut self.nodes[id as usize] {
            Node::Element(element) => Some(element),
            _ => None,
        }
    }

    /// Puts another text into a raw node.
    pub(super) fn set_raw(&mut self, id: Id, text: String) {
        self.nodes[id as usize] = Node::Raw(text.into());
    }

    /// The element around a node.
    pub(super) fn parent(&self, id: Id) -> Option<Id> {
        self.parents[id as usize]
    }

    /// All elements, in the order of the document.
    pub(super) fn all(&self) -> impl Iterator<Item = (Id, &Element)> {
        let elements = (0..self.nodes.len() as Id).map(|id| (id, self.element(id)));
        elements.filter_map(|(id, element)| element.map(|element| (id, element)))
    }

    /// The first element of a name.
    pub(super) fn first(&self, name: &str) -> Option<Id> {
        self.all().find(|(_, element)| *element.name == *name).map(|(id, _)| id)
    }

    /// Adds a node behind those that are in an element, or on top.
    pub(super) fn add(&mut self, parent: Option<Id>, node: Node) -> Id {
        let id = self.nodes.len() as Id;
        self.elements += usize::from(matches!(node, Node::Element(_)));
        self.nodes.push(node);
        self.parents.push(parent);
        match parent.and_then(|parent| self.element_mut(parent)) {
            Some(element) => element.children.push(id),
            None => self.top.push(id),
        }
        id
    }

    /// Puts a new element before all else in another one.
    pub(super) fn put_first(&mut self, parent: Id, element: Element) {
        let id = self.nodes.len() as Id;
        self.nodes.push(Node::Element(element));
        self.parents.push(Some(parent));
        if let Some(parent) = self.element_mut(parent) {
            parent.children.insert(0, id);
        }
    }

    /// Takes a node out of its parent.
    pub(super) fn remove(&mut self, id: Id) {
        let siblings = match self.parent(id) {
            Some(parent) => match self.element_mut(parent) {
                Some(element) => &mut element.children,
                None => return,
            },
            None => &mut self.top,
        };
        siblings.retain(|sibling| *sibling != id);
    }
}
