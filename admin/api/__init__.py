"""The JSON interface under `/api/v1`: one module per noun, each lists its handlers as `HANDLERS` in `admin.api.routes`.

It asks the same functions as the pages (`admin.lists`, `admin.people`, …), under the same guards.
"""
