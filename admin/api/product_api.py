"""The product file and its classes; a sale with the lines of its bill, for a refund."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, JSONBody

from admin.access import Visitor, needs
from admin.money.sale_lines import sale_of
from admin.products.classes import ClassForm, delete_class, save_class, tree
from admin.products.file import (
    ITEM_MAX,
    ProductForm,
    Wanted,
    delete_product,
    discontinue,
    product_of,
    products_page,
    save_product,
    take_from_bills,
    was_sold,
)
from admin.rights import Action

from .bodies import body_of, checked, form_handler, takes
from .handlers import Done, Key, Limit, Page, SmallNumber, Text, api_get, api_post, api_put, filled, page_of
from .order_api import Nothing

TAG = "Products"
ADDS, CHANGES = [needs("products", Action.ADD)], [needs("products", Action.CHANGE)]
DELETES = [needs("products", Action.DELETE)]
ProductBody = body_of(ProductForm, "ProductChange")
ClassBody = body_of(ClassForm, "ProductClassChange")


class ProductItem(msgspec.Struct):
    """A product, by its article number."""

    item: int
    code: str
    name: str
    specification: str
    unit: str
    department: int
    category: int
    is_discontinued: bool


class ProductDetails(msgspec.Struct):
    """One product; one that was sold is discontinued, not deleted."""

    product: ProductItem
    was_sold: bool


class ProductClass(msgspec.Struct):
    """A department, or a category below it."""

    kind: Literal["department", "category"]
    number: int
    name: str
    parent: int
    """Department of a category; 0: none."""
    product_count: int


class ProductClassKey(msgspec.Struct, forbid_unknown_fields=True):
    """Names a class."""

    kind: Literal["department", "category"]
    number: int


class SaleLine(msgspec.Struct):
    """A line of a bill, from 1; amounts are before the switch's discount."""

    number: int
    item: int
    name: str
    department: int
    category: int
    quantity_milli: int
    amount_minor: int
    refunded_minor: int
    left_minor: int


class SaleToRefund(msgspec.Struct):
    """A sale, what came back of it, and its lines; the document kind refund-sale gives back."""

    sequence: int
    amount_minor: int
    discount_minor: int
    refunded_minor: int
    left_minor: int
    is_refunded_whole: bool
    """A part was refunded of the bill as a whole: then lines cannot be refunded any more."""
    lines: list[SaleLine]


class Taken(msgspec.Struct):
    """How many products were added."""

    product_count: int


@api_get("/api/v1/products", guards=[needs("products")], tag=TAG)
def list_products(
    request: Request[Visitor, Any, Any],
    q: Text = "",
    department: SmallNumber = None,
    category: SmallNumber = None,
    sale: Text = "",
    after: Key = "",
    limit: Limit = 50,
) -> Page[ProductItem]:
    """Products by code; `sale` is sold or discontinued."""
    wanted = Wanted(q.strip()[:80], department or 0, category or 0, sale)
    with request.app.state.service.database.read() as session:
        rows = products_page(session, wanted, after, limit)
        return page_of(rows, limit, lambda row: filled(ProductItem, row), lambda row: row.code)


@api_get("/api/v1/products/{item:int}", guards=[needs("products")], tag=TAG)
def get_product(request: Request[Visitor, Any, Any], item: FromPath[int]) -> ProductDetails:
    """One product."""
    return _details(request, item)


def _make(request: Request[Visitor, Any, Any], data: Any) -> Done:
    """Add a product."""
    return Done(str(save_product(request.app.state.service, request.user, checked(request, ProductForm, data))))


def _change(request: Request[Visitor, Any, Any], item: FromPath[int], data: Any) -> Done:
    """Change a product; its article number stays."""
    _details(request, item)
    form = checked(request, ProductForm, data)
    return Done(str(save_product(request.app.state.service, request.user, form, item)))


make_product = takes(
    api_post("/api/v1/products", guards=ADDS, tag=TAG, pages=("POST /products/new",)), _make, ProductBody
)
put_product = takes(
    api_put(
        "/api/v1/products/{item:int}",
        guards=CHANGES,
        tag=TAG,
        pages=("GET /products/{item}/change", "POST /products/{item}/change"),
    ),
    _change,
    ProductBody,
)
get_product_form = form_handler(
    "/api/v1/products/form", ProductForm, guards=ADDS, tag=TAG, pages=("GET /products/new",)
)


@api_post("/api/v1/products/{item:int}/discontinue", guards=CHANGES, tag=TAG, status=200)
def do_discontinue(request: Request[Visitor, Any, Any], item: FromPath[int], data: JSONBody[Nothing]) -> ProductDetails:
    """Sell a product no more."""
    _details(request, item)
    discontinue(request.app.state.service, request.user, item, is_discontinued=True)
    return _details(request, item)


@api_post("/api/v1/products/{item:int}/resume", guards=CHANGES, tag=TAG, status=200)
def do_resume(request: Request[Visitor, Any, Any], item: FromPath[int], data: JSONBody[Nothing]) -> ProductDetails:
    """Sell a product again."""
    _details(request, item)
    discontinue(request.app.state.service, request.user, item, is_discontinued=False)
    return _details(request, item)


@api_post("/api/v1/products/{item:int}/delete", guards=DELETES, tag=TAG, status=200)
def do_delete(request: Request[Visitor, Any, Any], item: FromPath[int], data: JSONBody[Nothing]) -> Done:
    """Remove a product that was never sold."""
    _details(request, item)
    delete_product(request.app.state.service, request.user, item)
    return Done(str(item))


@api_post("/api/v1/products/from-bills", guards=ADDS, tag=TAG, status=200)
def do_take_from_bills(request: Request[Visitor, Any, Any], data: JSONBody[Nothing]) -> Taken:
    """Add a product for each article that bills name and the file has not."""
    return Taken(take_from_bills(request.app.state.service, request.user))


@api_get("/api/v1/product-classes", guards=[needs("products")], tag=TAG)
def list_classes(request: Request[Visitor, Any, Any]) -> list[ProductClass]:
    """Departments, each with its categories behind it."""
    with request.app.state.service.database.read() as session:
        return _classes(session)


def _save_class(request: Request[Visitor, Any, Any], data: Any) -> list[ProductClass]:
    """Name a class; the same kind and number again changes it."""
    service = request.app.state.service
    save_class(service, request.user, checked(request, ClassForm, data))
    with service.database.read() as session:
        return _classes(session)


put_class = takes(
    api_put("/api/v1/product-classes", guards=CHANGES, tag=TAG, pages=("POST /product-classes",)),
    _save_class,
    ClassBody,
)


@api_post("/api/v1/product-classes/delete", guards=DELETES, tag=TAG, status=200)
def do_delete_class(request: Request[Visitor, Any, Any], data: JSONBody[ProductClassKey]) -> Done:
    """Remove a class that nothing is in."""
    if not 0 <= data.number <= ITEM_MAX:
        raise NotFoundException(detail="There is no such class.")
    delete_class(request.app.state.service, request.user, data.kind, data.number)
    return Done(f"{data.kind} {data.number}")


@api_get("/api/v1/sales/{sequence:int}/refund", guards=[needs("money", Action.ADD)], tag="Money")
def get_sale_to_refund(request: Request[Visitor, Any, Any], sequence: FromPath[int]) -> SaleToRefund:
    """A sale with the lines of its bill, and what came back of each."""
    with request.app.state.service.database.read() as session:
        sale = sale_of(session, request.user, sequence) if 0 < sequence < 1 << 50 else None
    if sale is None:
        raise NotFoundException(detail="There is no such sale.")
    return filled(
        SaleToRefund,
        sale,
        sequence=sequence,
        amount_minor=sale.entry.amount_minor,
        lines=[filled(SaleLine, line) for line in sale.lines],
    )


def _details(request: Request[Visitor, Any, Any], item: int) -> ProductDetails:
    with request.app.state.service.database.read() as session:
        product = product_of(session, item)
        if product is None:
            raise NotFoundException(detail="There is no such product.")
        return ProductDetails(filled(ProductItem, product), was_sold(session, item))


def _classes(session: Any) -> list[ProductClass]:
    found = []
    for branch in tree(session):
        if branch.number:
            found.append(ProductClass("department", branch.number, branch.name, 0, branch.product_count))
        found += [
            ProductClass("category", number, name, branch.number, count) for number, name, count in branch.categories
        ]
    return found


HANDLERS = [
    list_products,
    get_product,
    make_product,
    put_product,
    get_product_form,
    do_discontinue,
    do_resume,
    do_delete,
    do_take_from_bills,
    list_classes,
    put_class,
    do_delete_class,
    get_sale_to_refund,
]
