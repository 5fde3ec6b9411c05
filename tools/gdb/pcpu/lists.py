# SPDX-License-Identifier: GPL-2.0-only
"""Linked lists and red-black trees of the kernel: kernel/list.h, kernel/rbtree.h."""
import gdb

from pcpu import target

LIMIT = 1 << 20  # nodes; a longer list is a broken one


def container(node, type_name, member):
    """The object, a value, whose member of that name is at the address node."""
    kind = gdb.lookup_type(type_name)
    offset = next(field.bitpos // 8 for field in kind.fields() if field.name == member)
    return gdb.Value(node - offset).cast(kind.pointer()).dereference()


def list_nodes(head):
    """Addresses of the nodes of the list whose head is at an address."""
    node, before, found = target.read_number(head), head, []
    while node != head:
        if node == 0 or len(found) == LIMIT:
            raise target.Error(f"the list at {head:#x} is broken: {before:#x} links to {node:#x}")
        if target.read_number(node + 8) != before:
            raise target.Error(f"the list at {head:#x} is broken: {node:#x} does not link back to "
                               f"{before:#x}")
        found.append(node)
        node, before = target.read_number(node), node
    return found


def list_objects(head, type_name, member):
    return [container(node, type_name, member) for node in list_nodes(head)]


class Node:
    """A node of a red-black tree."""

    def __init__(self, address):
        self.address = address
        self.parent, self.left, self.right, red = target.read_numbers(address, 4)
        self.red = bool(red & 1)


def tree_nodes(root):
    """Addresses of a tree's nodes in order; root: the address of its struct rb_root."""
    found, above, address = [], [], target.read_number(root)
    while above or address:
        while address:
            node = Node(address)
            above.append(node)
            address = node.left
            if len(above) + len(found) > LIMIT:
                raise target.Error(f"the tree at {root:#x} is broken: it never ends")
        node = above.pop()
        found.append(node.address)
        address = node.right
    return found


def tree_last(root, goes_right):
    """The last node, in order, for whose address goes_right is true; 0 if none. One way down."""
    address, best = target.read_number(root), 0
    while address:
        node = Node(address)
        if goes_right(address):
            best, address = address, node.right
        else:
            address = node.left
    return best


def tree_problem(root):
    """What is wrong with a tree's links and colours; None if nothing is."""
    top = target.read_number(root)
    if top and (Node(top).parent or Node(top).red):
        return "its root is red or has a parent"
    problems = []
    _black_height(top, 0, problems)
    return problems[0] if problems else None


def _black_height(address, depth, problems):
    if not address or depth > 128 or problems:
        return 1
    node = Node(address)
    for child in filter(None, (node.left, node.right)):
        below = Node(child)
        if below.parent != address:
            problems.append(f"node {child:#x} does not link back to {address:#x}")
        if node.red and below.red:
            problems.append(f"red node {child:#x} hangs on a red one")
    left = _black_height(node.left, depth + 1, problems)
    right = _black_height(node.right, depth + 1, problems)
    if left != right:
        problems.append(f"black heights differ below node {address:#x}")
    return left + (not node.red)
