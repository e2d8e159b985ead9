"""The product file: its list, one product, its classes."""

from __future__ import annotations

from typing import Any

from anyio import to_thread
from litestar import Request, Response, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Template

from admin.access import Visitor, needs
from admin.errors import RefusedError
from admin.forms import Bound, FormContext, bind, fields_of
from admin.products.classes import ClassForm, ClassKind, delete_class, named, save_class, tree
from admin.products.file import (
    ProductForm,
    Wanted,
    delete_product,
    discontinue,
    form_of,
    product_of,
    products_page,
    save_product,
    take_from_bills,
    was_sold,
)
from admin.rights import Action

from .common import go, is_part_wanted, number_in, page, page_rows, refusal_text, with_query
from .handlers import get

_ = str
SHOWN: dict[str, str] = {"": _("All"), "sold": _("Sold"), "discontinued": _("Discontinued")}


@get("/products", guards=[needs("products")])
def list_products(
    request: Request[Visitor, Any, Any],
    q: FromQuery[str] = "",
    department: FromQuery[str] = "",
    category: FromQuery[str] = "",
    sale: FromQuery[str] = "",
    after: FromQuery[str] = "",
) -> Template:
    """Products by code."""
    filters = {"q": q, "department": department, "category": category, "sale": sale}
    wanted = Wanted(q.strip()[:80], number_in(department) or 0, number_in(category) or 0, sale)
    limit = page_rows(request)
    with request.app.state.service.database.read() as session:
        found = products_page(session, wanted, after, limit)
        departments, categories = named(session, ClassKind.DEPARTMENT), named(session, ClassKind.CATEGORY)
        session.expunge_all()
    rows = found[:limit]
    more = {**filters, "after": rows[-1].code} if len(found) > limit else None
    return page(
        request,
        "_product_rows.html" if is_part_wanted(request) else "products.html",
        rows=rows,
        filters=filters,
        shown=SHOWN,
        departments=departments,
        categories=categories,
        is_first=not after,
        is_filtered=any(filters.values()),
        next_address=with_query("/products", more) if more else None,
    )


@get("/products/new", guards=[needs("products", Action.ADD)])
def new_product(request: Request[Visitor, Any, Any]) -> Template:
    """The form of a product."""
    return _form_page(request, 0, None, "")


@post("/products/new", guards=[needs("products", Action.ADD)], status_code=200)
async def do_new_product(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Add a product."""
    return await to_thread.run_sync(_save, request, 0, await _texts(request))


@post("/products/from-bills", guards=[needs("products", Action.ADD)], status_code=200)
async def do_take_from_bills(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Add what bills name and the file has not."""
    await to_thread.run_sync(take_from_bills, request.app.state.service, request.user)
    return go(request, "/products")


@get("/products/{item:int}", guards=[needs("products")])
def show_product(request: Request[Visitor, Any, Any], item: FromPath[int]) -> Template:
    """One product."""
    return _product_page(request, item, "")


@get("/products/{item:int}/change", guards=[needs("products", Action.CHANGE)])
def change_product(request: Request[Visitor, Any, Any], item: FromPath[int]) -> Template:
    """The form of a product that there is."""
    return _form_page(request, item, None, "")


@post("/products/{item:int}/change", guards=[needs("products", Action.CHANGE)], status_code=200)
async def do_change_product(request: Request[Visitor, Any, Any], item: FromPath[int]) -> Response[Any]:
    """Change a product."""
    return await to_thread.run_sync(_save, request, item, await _texts(request))


@post("/products/{item:int}/discontinue", guards=[needs("products", Action.CHANGE)], status_code=200)
async def do_discontinue(request: Request[Visitor, Any, Any], item: FromPath[int]) -> Response[Any]:
    """Sell it no more."""
    return await to_thread.run_sync(_set_discontinued, request, item, True)


@post("/products/{item:int}/resume", guards=[needs("products", Action.CHANGE)], status_code=200)
async def do_resume(request: Request[Visitor, Any, Any], item: FromPath[int]) -> Response[Any]:
    """Sell it again."""
    return await to_thread.run_sync(_set_discontinued, request, item, False)


@post("/products/{item:int}/delete", guards=[needs("products", Action.DELETE)], status_code=200)
async def do_delete_product(request: Request[Visitor, Any, Any], item: FromPath[int]) -> Response[Any]:
    """Remove what was never sold."""
    return await to_thread.run_sync(_delete, request, item)


@get("/product-classes", guards=[needs("products")])
def show_classes(request: Request[Visitor, Any, Any]) -> Template:
    """The tree of classes."""
    return _classes_page(request, None, "")


@post("/product-classes", guards=[needs("products", Action.CHANGE)], status_code=200)
async def do_save_class(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Name a class."""
    return await to_thread.run_sync(_save_class, request, await _texts(request))


@post("/product-classes/delete", guards=[needs("products", Action.DELETE)], status_code=200)
async def do_delete_class(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Remove a class that nothing is in."""
    return await to_thread.run_sync(_delete_class, request, await _texts(request))


HANDLERS: list[Any] = [
    list_products,
    new_product,
    do_new_product,
    do_take_from_bills,
    show_product,
    change_product,
    do_change_product,
    do_discontinue,
    do_resume,
    do_delete_product,
    show_classes,
    do_save_class,
    do_delete_class,
]


async def _texts(request: Request[Visitor, Any, Any]) -> dict[str, list[str]]:
    sent = await request.form()
    return {name: [str(text) for text in sent.getall(name)] for name in sent}


def _product_page(request: Request[Visitor, Any, Any], item: int, problem: str) -> Template:
    with request.app.state.service.database.read() as session:
        product = product_of(session, item)
        if product is None:
            raise NotFoundException(detail="There is no such product.")
        departments, categories = named(session, ClassKind.DEPARTMENT), named(session, ClassKind.CATEGORY)
        is_sold = was_sold(session, item)
        session.expunge_all()
    return page(
        request,
        "product.html",
        http_status=409 if problem else 200,
        product=product,
        departments=departments,
        categories=categories,
        is_sold=is_sold,
        problem=problem,
    )


def _form_page(request: Request[Visitor, Any, Any], item: int, bound: Bound[Any] | None, problem: str) -> Template:
    with request.app.state.service.database.read() as session:
        product = product_of(session, item) if item else None
        if item and product is None:
            raise NotFoundException(detail="There is no such product.")
        context = FormContext(session, request.user, request.app.state.references)
        return page(
            request,
            "product_form.html",
            fields=fields_of(ProductForm, context, bound, form_of(product) if product else None),
            problem=problem,
            item=item,
        )


def _save(request: Request[Visitor, Any, Any], item: int, texts: dict[str, list[str]]) -> Response[Any]:
    service = request.app.state.service
    with service.database.read() as session:
        bound = bind(ProductForm, texts, FormContext(session, request.user, request.app.state.references))
    if bound.value is None:
        return _form_page(request, item, bound, "")
    try:
        number = save_product(service, request.user, bound.value, item)
    except RefusedError as error:
        return _form_page(request, item, bound, refusal_text(error))
    return go(request, f"/products/{number}")


def _set_discontinued(request: Request[Visitor, Any, Any], item: int, is_discontinued: bool) -> Response[Any]:
    discontinue(request.app.state.service, request.user, item, is_discontinued=is_discontinued)
    return go(request, f"/products/{item}")


def _delete(request: Request[Visitor, Any, Any], item: int) -> Response[Any]:
    try:
        delete_product(request.app.state.service, request.user, item)
    except RefusedError as error:
        return _product_page(request, item, refusal_text(error))
    return go(request, "/products")


def _classes_page(request: Request[Visitor, Any, Any], bound: Bound[Any] | None, problem: str) -> Template:
    with request.app.state.service.database.read() as session:
        context = FormContext(session, request.user, request.app.state.references)
        return page(
            request,
            "product_classes.html",
            http_status=409 if problem else 200,
            branches=tree(session),
            fields=fields_of(ClassForm, context, bound),
            problem=problem,
        )


def _save_class(request: Request[Visitor, Any, Any], texts: dict[str, list[str]]) -> Response[Any]:
    service = request.app.state.service
    with service.database.read() as session:
        bound = bind(ClassForm, texts, FormContext(session, request.user, request.app.state.references))
    if bound.value is None:
        return _classes_page(request, bound, "")
    try:
        save_class(service, request.user, bound.value)
    except RefusedError as error:
        return _classes_page(request, bound, refusal_text(error))
    return go(request, "/product-classes")


def _delete_class(request: Request[Visitor, Any, Any], texts: dict[str, list[str]]) -> Response[Any]:
    kind, number = ("".join(texts.get(name, [])[:1]) for name in ("kind", "number"))
    try:
        delete_class(request.app.state.service, request.user, kind[:20], number_in(number) or 0)
    except RefusedError as error:
        return _classes_page(request, None, refusal_text(error))
    return go(request, "/product-classes")
