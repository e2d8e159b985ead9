"""Records as answers: the struct of each form once more, without the bounds of what may be typed.

A type checker reads the form itself, whose fields they have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from admin.campaigns import CampaignForm
from admin.cards.type_form import CardType
from admin.documents.medium_kinds import Policy
from admin.members.consumption import ConsumptionForm
from admin.members.drafts import MemberForm
from admin.points.catalog_kinds import Category, Gift
from admin.pricing.rule_kinds import RuleForm

from .bodies import answer_of

if TYPE_CHECKING:
    CampaignRecord = CampaignForm
    CardTypeTerms = CardType
    CategoryRecord = Category
    ConsumptionRecord = ConsumptionForm
    GiftRecord = Gift
    MediumPolicy = Policy
    MemberRecord = MemberForm
    RuleRecord = RuleForm
else:
    CampaignRecord = answer_of(CampaignForm, "CampaignRecord")
    CardTypeTerms = answer_of(CardType, "CardTypeTerms")
    CategoryRecord = answer_of(Category, "CategoryRecord")
    ConsumptionRecord = answer_of(ConsumptionForm, "ConsumptionRecord")
    GiftRecord = answer_of(Gift, "GiftRecord")
    MediumPolicy = answer_of(Policy, "MediumPolicy")
    MemberRecord = answer_of(MemberForm, "MemberRecord")
    RuleRecord = answer_of(RuleForm, "RuleRecord")
