"""The client's types say of every answer what the gateway's own models say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_type_hints

import pytest

from services.gateway.budgets import budgets_api
from services.gateway.documents import profile_models, rules_models, settings_models
from services.gateway.insight import analytics, costs
from services.gateway.insight import logs as insight_logs
from services.gateway.queue import bulk, dead_letters, queue, worker_status
from services.gateway.web import answers as told
from shared.client import answers, reports

if TYPE_CHECKING:
    from pydantic import BaseModel

PAIRS: list[tuple[Any, type[BaseModel]]] = [
    (answers.Page, told.PostPage),
    (answers.Page, profile_models.ProfilePage),
    (answers.PostSummary, told.PostSummary),
    (answers.Post, told.PostRead),
    (answers.Review, told.ReviewRead),
    (answers.Failure, told.FailureRead),
    (answers.PinnedModel, told.ModelRead),
    (answers.StageLog, told.StageLog),
    (answers.Entry, told.EntryRead),
    (answers.EntryPage, told.EntryPage),
    (answers.LoggedEntry, insight_logs.LoggedRead),
    (answers.LogPage, insight_logs.LogPage),
    (answers.Unconfirmed, told.UnconfirmedRead),
    (answers.Ledger, told.LedgerRead),
    (answers.BudgetWait, told.BudgetWait),
    (reports.Budget, budgets_api.BudgetRead),
    (reports.Budgets, budgets_api.BudgetsRead),
    (answers.Call, told.CallRead),
    (answers.Queued, told.Queued),
    (answers.Controlled, told.Controlled),
    (reports.QueueCounts, queue.QueueRead),
    (reports.Unchanged, bulk.Failure),
    (reports.Tally, bulk.BulkRead),
    (reports.DeadLetter, dead_letters.DeadLetter),
    (reports.DeadLetters, dead_letters.DeadLetters),
    (reports.Retried, dead_letters.RetryRead),
    (reports.Discarded, dead_letters.DiscardRead),
    (reports.ServiceStatus, worker_status.ServiceStatus),
    (reports.WorkerStatus, worker_status.WorkerStatus),
    (reports.Cost, costs.Cost),
    (reports.GroupCost, costs.GroupCost),
    (reports.Costs, costs.CostsRead),
    (reports.Profile, profile_models.ProfileRead),
    (reports.Setting, settings_models.SettingRead),
    (reports.StageModel, settings_models.StageModelRead),
    (reports.StageModels, settings_models.StageModelsRead),
    (reports.RulesSummary, rules_models.RulesSummary),
    (reports.RulesUnreadable, rules_models.RulesUnreadable),
    (reports.RulesListed, rules_models.RulesListed),
    (reports.Rules, rules_models.RulesRead),
    (reports.RulesVersion, rules_models.RulesVersion),
    (reports.RulesHistory, rules_models.RulesHistory),
    (reports.RulesDiff, rules_models.RulesDiff),
    (reports.SeoChecklist, analytics.SeoChecklist),
    (reports.Analytics, analytics.AnalyticsRead),
]


def nullable(schema: dict[str, Any]) -> bool:
    return any(each.get("type") == "null" for each in schema.get("anyOf", [schema]))


@pytest.mark.parametrize(
    ("shape", "model"), PAIRS, ids=lambda each: getattr(each, "__name__", str(each))
)
def test_an_answer_has_the_fields_its_type_names(shape: Any, model: type[BaseModel]) -> None:
    properties = model.model_json_schema(mode="serialization")["properties"]
    hints = get_type_hints(shape, localns={"T": object})
    assert hints.keys() == properties.keys()
    may_be_none = {
        name for name, hint in hints.items() if type(None) in getattr(hint, "__args__", ())
    }
    free = {name for name, hint in hints.items() if hint is Any}
    assert may_be_none == {name for name in properties if nullable(properties[name])} - free


def test_every_type_of_the_client_is_compared() -> None:
    named = {
        each
        for module in (answers, reports)
        for each in vars(module).values()
        if isinstance(each, type) and each.__module__ == module.__name__
    }
    assert named - {shape for shape, _ in PAIRS} == {answers.Health}
